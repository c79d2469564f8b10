#include "adapters/keys_pkcs11_uri.h"

#include <optional>

namespace hauberk::adapters {
namespace {

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    const auto byte = text.size() - i > 2 ? from_hex(text.substr(i + 1, 2)) : std::nullopt;
    if (!byte) return std::nullopt;
    out.push_back(static_cast<char>(byte->front()));
    i += 2;
  }
  return out;
}

}  // namespace

Result<Pkcs11Uri> Pkcs11Uri::parse(std::string_view place) {
  const auto bad = [](std::string why) { return fail(Errc::invalid, std::move(why)); };
  if (place.size() > 2048) return bad("the URI of the key is too long");
  Pkcs11Uri out;
  bool query = false;
  while (!place.empty()) {
    const auto end = place.find_first_of(query ? "&" : ";?");
    const auto attribute = place.substr(0, end);
    const auto equals = attribute.find('=');
    const auto name = attribute.substr(0, equals);
    auto value = equals == std::string_view::npos ? std::nullopt : percent_decoded(attribute.substr(equals + 1));
    if (name == "pin-value" || name == "pin-source")
      return bad("a PIN does not belong into the URI of a key: say in pkcs11.pin where it is");
    if (!value || value->empty() || value->contains('\0'))
      return bad("expected attributes such as token=hauberk;object=model, percent-encoded where they must be");
    std::string* where = nullptr;
    if (query)
      where = name == "module-path" ? &out.module_path : nullptr;
    else if (name == "token")
      where = &out.token;
    else if (name == "serial")
      where = &out.serial;
    else if (name == "object")
      where = &out.object;
    if (where != nullptr && where->empty())
      *where = std::move(*value);
    else if (!query && name == "id" && out.id.empty())
      out.id = to_bytes(*value);
    else
      return bad(
          "the URI of a key has an attribute that is not known here, or one twice: token, serial, object, id and "
          "module-path are");
    query = query || (end != std::string_view::npos && place[end] == '?');
    place.remove_prefix(end == std::string_view::npos ? place.size() : end + 1);
    if (end != std::string_view::npos && place.empty()) return bad("the URI of the key ends too early");
  }
  if (out.token.empty() && out.serial.empty()) return bad("the URI names no token: token=LABEL");
  if (out.object.empty() && out.id.empty()) return bad("the URI names no key: object=LABEL, or id=%01");
  if (!out.module_path.empty() && !out.module_path.starts_with('/')) return bad("module-path is no absolute path");
  return out;
}

}  // namespace hauberk::adapters
