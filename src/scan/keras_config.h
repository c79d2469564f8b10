// Keras's configurations, in JSON of all its ages: what they would import, call or run when a model is made of them.
// Objects are recognised wherever they stand by `class_name` and `config`, as Keras's deserialisers do, so that no
// wrapper hides one. Source: keras.src.saving.serialization_lib of Keras 3, keras.utils.generic_utils of Keras 2.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "scan/json_stream.h"

namespace hauberk::scan {

constexpr std::size_t keras_keys_limit = 32;  // members whose texts rules ask for

class KerasRules final : public ConfigEvents {
 public:
  explicit KerasRules(Inspection& inspection) : inspection_(inspection) {}

  void begin(bool object, std::uint64_t offset) override;
  void end() override;
  void key(std::string_view key, std::uint64_t offset) override;
  void text(std::string_view value, bool whole, std::uint64_t offset) override;
  void plain(std::string_view spelled, std::uint64_t offset) override;

  bool seen() const { return seen_; }  // objects of Keras were among it

 private:
  struct Text {
    std::string key, value;
    bool whole = true;
  };
  struct Frame {
    bool object = true;
    bool has_config = false;
    bool overflows = false;  // with more texts than are kept
    std::string key;
    std::uint64_t offset = 0;
    std::vector<Text> texts;                              // of its members, and of lists that are its members
    std::vector<Text> config;                             // those of the member "config"
    std::array<std::uint8_t, keras_keys_limit> counts{};  // of texts of each key
  };

  void add(Frame& frame, Text text);
  std::string_view own_key() const;
  std::string pointer() const;
  void judge_object(const Frame& frame);
  void judge_class(const Frame& frame, std::string_view module, std::string_view name);
  void judge_code(const Frame& frame, const Text& code);
  void judge_lambda(const Frame& frame);
  void judge_functions(const Frame& frame);
  void judge_files(const Frame& frame);
  void judge_saved_model(const Frame& frame);
  void judge_torch(const Frame& frame);
  void find(std::string_view rule, Severity severity, const Frame& frame, std::string message,
            std::string_view excerpt = {});

  Inspection& inspection_;
  std::vector<Frame> frames_;
  bool seen_ = false;
};

// The text of a configuration by itself, from wherever it was stored.
void inspect_keras_config(std::string_view json, bool hdf5, Inspection& inspection);

}  // namespace hauberk::scan
