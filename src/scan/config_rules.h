// The rules for configurations, JSON and YAML alike: what is imported, what runs as a template, which files are named.
// Rules look at keys and places, not at what kind of file it claims to be, so that no file talks its way out of one.
// Memory is bounded by nesting and by the number of different keys.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "scan/inspection.h"
#include "scan/json_stream.h"

namespace hauberk::scan {

class ConfigRules final : public ConfigEvents {
 public:
  // `certain`: a configuration for sure, not prose that reads like one; keys that occur twice are told only then.
  ConfigRules(Inspection& inspection, bool certain) : inspection_(inspection), certain_(certain) {}

  void begin(bool object, std::uint64_t offset) override;
  void end() override;
  void key(std::string_view key, std::uint64_t offset) override;
  void text(std::string_view value, bool whole, std::uint64_t offset) override;
  void plain(std::string_view spelled, std::uint64_t offset) override;

  // What it turned out to be: "hf-config", "skops-schema", … or what is given.
  std::string shape(std::string_view otherwise) const;
  // Says what only the whole text could tell.
  void finish();

 private:
  struct Frame {
    bool object = true;
    std::string key;  // the member that is being read
    std::size_t items = 0;
    std::uint64_t offset = 0;
    std::vector<std::pair<std::string, std::string>> texts;  // members that rules ask for, every one of them
    std::vector<std::uint64_t> keys;                         // hashes, for keys that occur twice
    bool has_config = false;                                 // a member "config" that is an object
  };

  std::string pointer() const;
  std::string_view own_key() const;  // the key of the value at hand; of the list that it is in for items of lists
  bool within(std::string_view key) const;
  bool at(std::initializer_list<std::string_view> path) const;
  void value();
  void judge_text(std::string_view value, std::uint64_t offset);
  void judge_import(std::string_view value, std::uint64_t offset);
  void judge_remote_code(std::string_view value, std::uint64_t offset);
  void judge_jsonpickle(std::string_view key, std::string_view value, std::uint64_t offset);
  void judge_template(std::string_view value, bool whole, std::uint64_t offset);
  void judge_paths(std::string_view value, std::uint64_t offset);
  void judge_flavor(std::string_view key, std::string_view value, std::uint64_t offset);
  void judge_hub_names(std::string_view key, std::string_view value, std::uint64_t offset);
  void judge_requirement(std::string_view key, std::string_view value, std::uint64_t offset);
  bool is_vocabulary() const;
  void judge_tagged_key();
  void judge_handler(const Frame& frame);
  void judge_external_data(const Frame& frame);
  void judge_skops(const Frame& frame);
  void judge_object(const Frame& frame);
  void judge_module_list(const Frame& frame);
  void find_import(std::string_view rule, std::string_view name, Severity severity, const std::string& effect,
                   std::uint64_t offset);

  Inspection& inspection_;
  bool certain_;
  std::vector<Frame> frames_;
  std::vector<std::string> root_keys_;                          // the first of them
  std::vector<std::pair<std::string, std::string>> libraries_;  // lists among the root's members: their first text
  std::size_t hashed_ = 0, twice_ = 0, requirements_ = 0;
  struct Named {
    std::string name, pointer;
    std::uint64_t offset;
  };
  std::vector<Named> types_;  // of sentence-transformers' Asym and Router, if it is one
  std::string tagged_key_;    // a key that may be a template, until it is known that its value is no number
  std::uint64_t tagged_offset_ = 0;
  std::uint64_t expression_offset_ = 0;
  std::string expression_;  // "$…" of MONAI's bundles
  struct Program {
    std::string does, pointer;
    Severity severity;
    std::uint64_t offset;
  };
  std::vector<Program> programs_;  // the first texts that are programs, wherever they stand
  bool keras_ = false, skops_ = false, targets_ = false, custom_operator_ = false, templates_ = false;
};

// Whether a path that a configuration names leads out of its folder: absolute, upwards, or an address.
bool leads_out(std::string_view path);

}  // namespace hauberk::scan
