#include "scan/container_image.h"

#include <algorithm>
#include <vector>

#include "base/json.h"

namespace hauberk::scan {
namespace {

constexpr std::size_t most_manifests = 1000;

bool is_hex(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<json::Value> json_file(const ReadImageFile& read, const std::string& path) {
  const auto text = read(path);
  if (!text) return std::nullopt;
  auto value = json::parse(*text, {.bytes = 4u << 20, .depth = 32});
  return value ? std::optional(*std::move(value)) : std::nullopt;
}

// "sha256:…" -> "blobs/sha256/…"; empty for anything else.
std::string blob_path(const json::Value& descriptor) {
  const auto digest = descriptor.text_or("digest", "");
  const auto colon = digest.find(':');
  if (colon == std::string_view::npos || !is_hex(digest.substr(colon + 1))) return {};
  return "blobs/" + std::string(digest.substr(0, colon)) + "/" + std::string(digest.substr(colon + 1));
}

const json::Array* list_of(const json::Value& value, std::string_view key) {
  const auto* found = value.find(key);
  return found == nullptr ? nullptr : found->as_array();
}

bool is_file_system_layer(std::string_view media_type) {
  return media_type.starts_with("application/vnd.oci.image.layer.") ||
         media_type.starts_with("application/vnd.docker.image.rootfs.");
}

bool is_image_config(std::string_view media_type) {
  return media_type == "application/vnd.oci.image.config.v1+json" ||
         media_type == "application/vnd.docker.container.image.v1+json";
}

}  // namespace

bool may_be_layer(std::string_view path) {
  if (path.starts_with("blobs/")) return true;
  if (path.ends_with("/layer.tar")) return true;
  return path.ends_with(".tar") && is_hex(path.substr(0, path.size() - 4)) && path.size() == 68;
}

std::set<std::string> image_layers(const ReadImageFile& read) {
  std::set<std::string> layers;
  if (const auto manifest = json_file(read, "manifest.json"); manifest && manifest->as_array() != nullptr)
    for (const auto& image : *manifest->as_array())
      if (const auto* names = list_of(image, "Layers"))
        for (const auto& name : *names)
          if (name.as_string() != nullptr && may_be_layer(*name.as_string())) layers.insert(*name.as_string());
  // Indexes name manifests or further indexes.
  std::vector<std::string> open{"index.json"};
  std::set<std::string> seen;
  while (!open.empty() && seen.size() < most_manifests) {
    const std::string path = std::move(open.back());
    open.pop_back();
    if (path.empty() || !seen.insert(path).second) continue;
    const auto value = json_file(read, path);
    if (!value) continue;
    if (const auto* manifests = list_of(*value, "manifests"))
      for (const auto& descriptor : *manifests) open.push_back(blob_path(descriptor));
    const auto* config = value->find("config");
    const auto* parts = list_of(*value, "layers");
    if (config == nullptr || parts == nullptr || !is_image_config(config->text_or("mediaType", ""))) continue;
    for (const auto& part : *parts)
      if (is_file_system_layer(part.text_or("mediaType", ""))) layers.insert(blob_path(part));
  }
  layers.erase("");
  return layers;
}

}  // namespace hauberk::scan
