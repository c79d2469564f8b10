// Prints what the pickle machine sees in each stream of a file, for comparison with CPython's unpicklers: one line for
// each stream, events separated by ';', names in hexadecimal. The file holds streams, each after its length (u32 LE).
#include <cstdio>
#include <fstream>
#include <iterator>

#include "scan/pickle_machine.h"

namespace {

using namespace hauberk;
using namespace hauberk::scan;
using Kind = PickleValue::Kind;

class Trace final : public PickleListener {
 public:
  void imported(PickleMachine& machine, std::uint32_t global, std::uint64_t) override {
    add("import " + named(machine, global));
  }
  PickleValue called(PickleMachine& machine, const PickleCall& call) override {
    if (call.callee.kind() == Kind::global)
      add("call " + named(machine, static_cast<std::uint32_t>(call.callee.payload())));
    else if (call.callee.kind() == Kind::object)
      add("call-object " + maker(machine, call.callee));
    else
      add("call-other");
    return PickleMachine::result_of(call);
  }
  void built(PickleMachine& machine, PickleValue target, PickleValue, std::uint64_t) override {
    on(machine, "build ", target);
  }
  void changed(PickleMachine& machine, PickleValue target, std::uint64_t) override { on(machine, "change ", target); }
  PickleValue persistent(PickleMachine&, PickleValue, std::uint64_t) override {
    add("persistent");
    return {Kind::persistent};
  }
  void embedded(PickleMachine&, PickleValue, std::uint64_t) override {}
  void extension(PickleMachine&, std::uint32_t code, std::uint64_t) override {
    add("extension " + std::to_string(code));
  }
  void anomaly(PickleMachine&, PickleAnomaly kind, std::uint64_t) override {
    // From here on the unpicklers read different streams; the scanner refuses such a file whatever it holds.
    if (kind == PickleAnomaly::frame_straddled || kind == PickleAnomaly::frame_nested) add("frames differ");
  }

  std::string text;

 private:
  static std::string named(PickleMachine& machine, std::uint32_t global) {
    return hex(as_bytes(machine.global(global).module)) + "." + hex(as_bytes(machine.global(global).name));
  }
  static std::string maker(PickleMachine& machine, PickleValue object) {
    return object.callee() == PickleValue::no_global ? "object" : named(machine, object.callee());
  }
  void on(PickleMachine& machine, std::string_view what, PickleValue target) {
    if (target.kind() == Kind::global)
      add(std::string(what) + named(machine, static_cast<std::uint32_t>(target.payload())));
    if (target.kind() == Kind::object) add(std::string(what) + maker(machine, target));
  }
  void add(std::string event) {
    text += event;
    text += ';';
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::ifstream in(argv[1], std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(in), {}};
  ByteView rest = as_bytes(all);
  while (rest.size() >= 4) {
    const std::size_t length = load_le<std::uint32_t>(rest.data());
    if (length > rest.size() - 4) return 2;
    MemoryReader reader(rest.subspan(4, length));
    Budget budget({}, {});
    Trace trace;
    PickleMachine machine(reader, 0, budget, trace);
    const auto end = machine.run();
    std::printf("%send %s\n", trace.text.c_str(),
                end == PickleEnd::stopped ? "stopped" : std::string(describe(end)).c_str());
    rest = rest.subspan(4 + length);
  }
  return 0;
}
