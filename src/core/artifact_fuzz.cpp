// A manifest that is accepted is the canonical one, and none of its paths leads out of a folder.
#include <cstdlib>

#include "core/artifact.h"

using hauberk::Manifest, hauberk::VersionRef;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = hauberk::as_text({data, size});
  if (const auto manifest = Manifest::parse(text)) {
    if (manifest->canonical() != text) std::abort();
    for (const auto& file : manifest->files)
      if (file.path.front() == '/' || ("/" + file.path + "/").find("/../") != std::string::npos) std::abort();
  }
  if (const auto ref = VersionRef::parse(text); ref && ref->text() != text) std::abort();
  return 0;
}
