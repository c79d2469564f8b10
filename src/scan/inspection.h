// Inspection: one piece of data under inspection: its path with the members of archives after "!", and the place where
// findings, notes and the worst that was seen are gathered. Inspectors are free functions `inspect_x(Reader&,
// Inspection&)`; what lies inside an archive gets a child inspection of the same Gathering, hence of the same budget.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "scan/budget.h"
#include "scan/reader.h"
#include "scan/report.h"

namespace hauberk::scan {

// Where a piece lies. A layer of a container image is full of programs, scripts and links by design: there, what is
// looked for is models.
enum class Place : std::uint8_t { ordinary, layer, image };  // a layer itself; what lies in one

// What one scan gathers over all its pieces.
struct Gathering {
  Budget budget;
  std::vector<Finding> findings;
  std::vector<std::string> notes;
  std::size_t dropped = 0;        // findings beyond the limit; their severity still counts
  std::uint64_t passed_over = 0;  // files of an image that are no models
  Severity worst = Severity::info;
  bool malformed = false;
  bool inconclusive = false;

  ScanVerdict verdict() const;
};

class Inspection {
 public:
  Inspection(Gathering& gathering, std::string path, std::uint32_t depth = 0, Place place = Place::ordinary)
      : gathering_(gathering), path_(std::move(path)), depth_(depth), place_(place) {}

  Budget& budget() const { return gathering_.budget; }
  const std::string& path() const { return path_; }
  std::uint32_t depth() const { return depth_; }
  Place place() const { return place_; }
  std::string_view name() const;  // the last part of the path: the file's or the member's own name

  // Something is wrong here. Critical makes the verdict malicious, low to high make it review, info changes nothing.
  void find(std::string_view rule, Severity severity, std::uint64_t offset, std::string message,
            std::string excerpt = {}, std::string pointer = {});
  // Not what the format demands. Of an image's files without the name of a model: passed over.
  void malformed(std::string_view rule, std::uint64_t offset, std::string message, std::string pointer = {});
  // Not looked at to the end: the rule says why.
  void inconclusive(std::string_view rule, std::string message);
  // Worth knowing, without effect on the verdict.
  void note(std::string text);
  // Says so once if the budget is used up. True if it is.
  bool out_of_budget();
  // Says so if the error is one of reading; malformed otherwise.
  void failed(const Error& error, std::string_view rule, std::uint64_t offset);

  // What was gathered so far, to go back to.
  struct Mark {
    std::size_t findings, notes, dropped;
    Severity worst;
    bool malformed, inconclusive;
  };
  Mark mark() const;
  // For a second reading of the same data, which may be no loader's: of what was gathered since, only harm stays; that
  // this reading is damaged or not understood does not matter. True if something stays.
  bool keep_harm_since(const Mark& mark);
  // A file of an image that is none of a model's.
  void pass_over() { ++gathering_.passed_over; }

  Inspection child(std::string_view member) const { return child(member, place_); }
  Inspection child(std::string_view member, Place place) const;

 private:
  Gathering& gathering_;
  std::string path_;
  std::uint32_t depth_;
  Place place_;
};

// Says what the data is and inspects it as that; the answer is the format's name. Spends from the depth.
std::string inspect_any(Reader& data, Inspection& inspection);

// Absolute, with a drive, or with a step upwards anywhere: as the name of a member an attack on who unpacks.
bool leads_out_of_folder(std::string_view path);

// Untrusted text for messages and excerpts: control characters and non-ASCII replaced, cut at `limit`.
std::string printable(std::string_view text, std::size_t limit = 120);

}  // namespace hauberk::scan
