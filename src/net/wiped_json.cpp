#include "net/wiped_json.h"

#include <string.h>

namespace hauberk::net {

Secret WipedJson::text() const {
  auto written = json::write(value);
  Secret out{std::string_view(written)};
  ::explicit_bzero(written.data(), written.size());
  return out;
}

}  // namespace hauberk::net
