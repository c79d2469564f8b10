#include <cstdint>
#include <cstdlib>

#include "base/bytes.h"
#include "config/settings.h"

// Whatever parses has a place for every value and is written as YAML that parses to the same value; settings answer
// every document with settings or with errors that can be shown.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace config = hauberk::config;
  const auto text = hauberk::as_text({data, size});
  const auto document = config::parse_yaml(text, "fuzz.yaml");
  if (!document) {
    (void)config::render(document.error());
    return 0;
  }
  if (!document->value.is_null()) {
    const auto again = config::parse_yaml(config::write_yaml(document->value), "again.yaml", {.bytes = 64u << 20});
    if (!again || again->value != document->value) std::abort();
  }
  if (const auto settings = config::load_settings(text, "fuzz.yaml", {});
      !settings && config::render(settings.error()).empty())
    std::abort();
  return 0;
}
