// Container images as `docker save` and the OCI image layout write them: which of their blobs are layers of a root file
// system. A layer is full of programs, scripts and links by design, so what is looked for there is models. Only what
// the image's own manifests name counts as a layer. Source: OCI image-spec 1.1 (image-layout.md, manifest.md),
// moby's image/tarexport. Pure; bounded in manifests and bytes.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace hauberk::scan {

// The content of a file of the image, by its path in the layout: at most a few megabytes; nothing if there is none.
using ReadImageFile = std::function<std::optional<std::string>(const std::string& path)>;

// Paths of the layers, as "blobs/sha256/…" or "…/layer.tar"; empty if this is no image of a file system.
std::set<std::string> image_layers(const ReadImageFile& read);
// Whether a path is one at which a layer may lie.
bool may_be_layer(std::string_view path);

}  // namespace hauberk::scan
