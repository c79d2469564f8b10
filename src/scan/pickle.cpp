#include "scan/pickle.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "scan/formats.h"
#include "scan/pickle_judge.h"

namespace hauberk::scan {
namespace {

using Kind = PickleValue::Kind;

constexpr std::uint64_t harmless_pickles_in_a_file = 1000;

// torch.save's older form starts with a pickle of this number and nothing else.
bool is_torch_magic(PickleMachine& machine) {
  static constexpr std::uint8_t magic[] = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
  std::uint8_t bytes[sizeof magic];
  if (machine.result().kind() != Kind::number) return false;
  const auto got = machine.data().read_at(machine.result().payload(), bytes);
  return got && *got == sizeof magic && std::memcmp(bytes, magic, sizeof magic) == 0;
}

// A scratch place for findings, with a budget that ends when the other one does.
Gathering scratch(Budget& budget, std::uint64_t opcodes) {
  ScanLimits limits = budget.limits();
  limits.opcodes = std::min(limits.opcodes, opcodes);
  limits.memory = std::min<std::uint64_t>(limits.memory, 32u << 20);
  return {.budget = Budget(limits,
                           [&budget] { return budget.check_time() ? std::string_view() : budget.exhausted_limit(); })};
}

// What plain pickle.load() would make of a file that joblib wrote: it takes the arrays for opcodes. Harmless arrays end
// that within a few bytes; made ones do not. What was found already says nothing of the arrays.
void inspect_as_plain(Reader& data, Inspection& inspection, const PickleContext& context, const PickleJudge& known) {
  Gathering found = scratch(inspection.budget(), inspection.budget().limits().opcodes);
  Inspection aside(found, "", inspection.depth());
  PickleContext plain = context;
  plain.plain_unpickler = true;
  PickleJudge judge(aside, plain, PickleMode::dry);
  PickleMachine machine(data, context.start, found.budget, judge);
  machine.run();
  judge.finish();
  if (!inspection.budget().spend_opcodes(machine.opcodes())) return;
  Severity worst = Severity::info;
  std::uint64_t offset = known.first_array();
  std::string what;
  for (const auto& finding : found.findings) {
    const auto at = finding.where.offset.value_or(0);
    if (!finding.where.file.empty() || (at > known.first_array() && !known.found_at().contains(at))) {
      if (finding.severity <= worst) continue;
      worst = finding.severity;
      offset = at;
      what = finding.message;
    }
  }
  // Arrays of objects are pickles of their own. Read with the memo of this one, they import what does not exist.
  if (worst >= (known.saw_object_arrays() ? Severity::high : Severity::medium))
    inspection.find("pickle.dangerous-import", worst, offset,
                    "the bytes of an array are opcodes to whoever reads the file without joblib: " + what);
}

}  // namespace

DryRun dry_run_pickle(Reader& data, const Inspection& inspection) {
  Gathering found = scratch(inspection.budget(), 1'000'000);
  Inspection aside(found, "", inspection.depth() + 1);
  PickleJudge judge(aside, {.plain_unpickler = true}, PickleMode::dry);
  PickleMachine machine(data, 0, found.budget, judge);
  const auto end = machine.run();
  judge.finish();
  if (!inspection.budget().spend_opcodes(machine.opcodes())) return {};
  return {.worst = found.worst, .whole = end == PickleEnd::stopped && machine.position() == data.size()};
}

PickleOutcome inspect_pickle(Reader& data, Inspection& inspection, const PickleContext& context) {
  PickleJudge judge(inspection, context, PickleMode::report);
  PickleMachine machine(data, context.start, inspection.budget(), judge);
  PickleOutcome outcome{.end = machine.run(), .next = machine.position(), .torch_magic = false};
  judge.finish();
  if (outcome.end == PickleEnd::stopped)
    outcome.torch_magic = is_torch_magic(machine);
  else if (outcome.end == PickleEnd::out_of_budget)
    inspection.out_of_budget();
  else if (outcome.end == PickleEnd::read_error)
    inspection.inconclusive("scan.not-scanned", "the data cannot be read");
  else if (outcome.end != PickleEnd::refused)
    inspection.malformed("pickle.malformed", machine.opcode_offset(),
                         "the pickle breaks off: " + std::string(describe(outcome.end)));
  else
    inspection.out_of_budget();
  if (judge.saw_arrays()) inspect_as_plain(data, inspection, context, judge);
  return outcome;
}

bool is_pickle(Reader& data, Budget& budget) {
  std::uint8_t first = 0;
  const auto got = data.read_at(0, {&first, 1});
  if (!got || *got == 0) return false;
  // What a pickle can begin with: an opcode that needs nothing below it.
  static constexpr std::string_view openers =
      "(NILFSVUTXKJMG]})cP.\x80\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x95\x96\x97\x82\x83\x84"
      "BC";
  if (openers.find(static_cast<char>(first)) == std::string_view::npos || first == '.') return false;
  Gathering nothing = scratch(budget, 50'000'000);
  Inspection inspection(nothing, "");
  PickleJudge judge(inspection, {}, PickleMode::probe);
  PickleMachine machine(data, 0, nothing.budget, judge);
  const auto end = machine.run();
  return end == PickleEnd::stopped || end == PickleEnd::out_of_budget || end == PickleEnd::refused ||
         judge.saw_anything_known() || judge.called_a_global();
}

std::string inspect_pickle_file(Reader& data, Inspection& inspection) {
  PickleContext context;
  std::string format = "pickle";
  std::uint64_t torch_pickles_left = 0;
  for (std::uint64_t number = 0;; ++number) {
    const auto outcome = inspect_pickle(data, inspection, context);
    if (number == 0 && outcome.torch_magic) {
      format = "torch-legacy";
      context.storages_outside = true;
      torch_pickles_left = 5;
    }
    if (outcome.end != PickleEnd::stopped) return format;
    context.start = outcome.next;
    if (torch_pickles_left != 0 && --torch_pickles_left == 0) return format;  // raw storages follow
    if (context.start == data.size()) {
      if (torch_pickles_left != 0)
        inspection.malformed("pickle.malformed", context.start,
                             "PyTorch's older form has five pickles; here one is missing");
      return format;
    }
    if (torch_pickles_left != 0) continue;
    RangeReader rest(data, context.start, data.size() - context.start);
    if (number < harmless_pickles_in_a_file && is_pickle(rest, inspection.budget())) continue;
    inspection.find("pickle.trailing-bytes", Severity::low, context.start,
                    std::to_string(rest.size()) + " bytes follow the pickle, which its loader does not read");
    Inspection behind = inspection.child("after@" + std::to_string(context.start));
    inspect_trailing(rest, behind);
    return format;
  }
}

}  // namespace hauberk::scan
