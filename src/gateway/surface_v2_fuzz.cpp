#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "gateway/surface_v2.h"

// The first two bytes say where the JSON ends; 0xffff: there is no binary part. Every tensor that is read has as many
// elements as its shape says, and what is written of it is read back.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hauberk::gateway;
  if (size < 2) return 0;
  const std::size_t header = data[0] | static_cast<std::size_t>(data[1]) << 8;
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto input = parse_v2_infer(body, header == 0xffff ? std::nullopt : std::optional(header), 4096);
  if (!input) return 0;
  for (const auto& tensor : input->tensors) {
    const auto elements = hauberk::element_count(tensor.shape);
    if (!elements || *elements > 4096) std::abort();
    const bool text = tensor.type == hauberk::DataType::bytes;
    if (text ? tensor.strings.size() != *elements : tensor.data.size() != *elements * hauberk::size_of(tensor.type))
      std::abort();
  }
  const auto response = write_v2_infer("m", "1", {.all_binary = true}, input->tensors);
  if (!response || !response->json_size) std::abort();
  std::string text = response->body.substr(0, *response->json_size);
  text.replace(text.find("\"outputs\""), 9, "\"inputs\"");
  const auto again = parse_v2_infer(text + response->body.substr(*response->json_size), text.size(), 4096);
  if (!again || again->tensors.size() != input->tensors.size()) std::abort();
  for (std::size_t i = 0; i < input->tensors.size(); ++i)
    if (again->tensors[i].data != input->tensors[i].data || again->tensors[i].strings != input->tensors[i].strings)
      std::abort();
  return 0;
}
