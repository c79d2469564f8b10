#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "gateway/surface_openai.h"

// The first byte chooses the operation. What the upstream gets is read by the same reader to the same input.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hauberk::gateway;
  if (size < 1) return 0;
  constexpr hauberk::Operation operations[] = {hauberk::Operation::chat, hauberk::Operation::completion,
                                               hauberk::Operation::embedding};
  const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  if (const auto renamed = rewrite_openai_answer(text, "mine"); renamed && !rewrite_openai_answer(*renamed, "mine"))
    std::abort();
  const auto operation = operations[data[0] % 3];
  const auto input = parse_openai(operation, text);
  if (!input) return 0;
  const auto again = parse_openai(operation, write_openai_upstream_body(*input, "theirs"));
  if (!again || again->model != "theirs" || again->texts != input->texts || again->stream != input->stream ||
      again->messages.size() != input->messages.size())
    std::abort();
  for (std::size_t i = 0; i < input->messages.size(); ++i)
    if (again->messages[i].text != input->messages[i].text || again->messages[i].role != input->messages[i].role)
      std::abort();
  return 0;
}
