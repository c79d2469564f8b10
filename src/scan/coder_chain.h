// Chains of decoders, as 7z's folders describe them: the first step decodes the packed bytes, each further one what
// the step before it gives; each gives as many bytes as it declares and no more. Memory: the dictionaries, 96 MiB
// together at most. Sources: 7-Zip's 7zFormat.txt and Methods.txt.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "scan/decompress.h"

namespace hauberk::scan {

constexpr std::uint64_t coder_aes = 0x06f10701;

struct CoderStep {
  std::uint64_t method = 0;  // 7-Zip's number
  ByteView properties;       // somebody else's
  std::uint64_t size = 0;    // bytes that come out
};

std::string coder_name(std::uint64_t method);  // "LZMA2", "PPMd", "method 0x1234"
bool coder_is_known(std::uint64_t method);     // whether make_chain() takes it

// Errors: Errc::unsupported for other methods, Errc::corrupt for properties that the method does not have,
// Errc::exhausted for more memory than there may be. At least one step; the packed bytes must outlive the decoder.
Result<std::unique_ptr<Decoder>> make_chain(Reader& packed, std::span<const CoderStep> steps);

}  // namespace hauberk::scan
