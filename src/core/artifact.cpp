#include "core/artifact.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "base/utf8.h"

namespace hauberk {
namespace {

constexpr std::string_view manifest_type = "https://hauberk.dev/manifest/v1";
constexpr std::size_t max_path_bytes = 1024;
constexpr std::size_t max_part_bytes = 255;  // what common file systems hold
constexpr std::size_t max_name_bytes = 64;

// A path that is also the folder of another could not be written to a disk.
Status check_no_file_is_a_folder(const std::vector<ManifestFile>& files) {
  std::set<std::string_view> folders;
  for (const auto& file : files)
    for (auto slash = file.path.find('/'); slash != std::string::npos; slash = file.path.find('/', slash + 1))
      folders.insert(std::string_view(file.path).substr(0, slash));
  for (const auto& file : files)
    if (folders.contains(file.path))
      return fail(Errc::invalid, fmt::format("\"{}\" is both a file and a folder", file.path), "manifest");
  return {};
}

Result<ManifestFile> parse_file(const json::Value& value) {
  const auto digest_text = value.text_or("sha256", "");
  const auto digest = Digest::parse(digest_text);
  const auto size = value.int_or("size", -1);
  if (!digest || size < 0) return fail(Errc::corrupt, "a file of the manifest lacks a size or a SHA-256", "manifest");
  return ManifestFile{std::string(value.text_or("path", "")), static_cast<std::uint64_t>(size), *digest};
}

}  // namespace

std::string Manifest::canonical() const {
  auto list = json::Value::array();
  for (const auto& file : files) {
    auto entry = json::Value::object();
    entry.set("path", file.path).set("size", file.size).set("sha256", file.digest.hex());
    list.push(std::move(entry));
  }
  auto value = json::Value::object();
  value.set("type", manifest_type).set("kind", name(kind)).set("files", std::move(list));
  return json::write(value);
}

Digest Manifest::digest() const { return crypto::sha256(as_bytes(canonical())); }

std::uint64_t Manifest::total_size() const {
  std::uint64_t sum = 0;
  for (const auto& file : files)
    if (__builtin_add_overflow(sum, file.size, &sum)) return UINT64_MAX;
  return sum;
}

Result<Manifest> Manifest::parse(std::string_view text) {
  const auto value = TRY(json::parse(text));
  const auto* list = value.find("files");
  if (list == nullptr || !list->is_array() || list->as_array()->empty())
    return fail(Errc::corrupt, "the manifest lists no files", "manifest");
  Manifest manifest;
  manifest.kind = TRY(parse_artifact_kind(value.text_or("kind", "")));
  manifest.files.reserve(list->as_array()->size());
  for (const auto& entry : *list->as_array()) {
    auto file = TRY(parse_file(entry));
    CHECK(check_relative_path(file.path));
    if (!manifest.files.empty() && manifest.files.back().path >= file.path)
      return fail(Errc::corrupt, "the files of the manifest are not sorted or not unique", "manifest");
    manifest.files.push_back(std::move(file));
  }
  CHECK(check_no_file_is_a_folder(manifest.files));
  // What was understood, written again, must be what was read: no unknown member, no second spelling.
  if (manifest.canonical() != text)
    return fail(Errc::corrupt, "the manifest is not in its canonical spelling", "manifest");
  return manifest;
}

Status check_relative_path(std::string_view path) {
  const auto refuse = [&](std::string_view why) {
    return fail(Errc::invalid, fmt::format("a file's path {}", why), "path");
  };
  if (path.empty()) return refuse("is empty");
  if (path.size() > max_path_bytes) return refuse("is longer than 1024 bytes");
  if (!is_utf8(path)) return refuse("is not UTF-8");
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return refuse("holds a control character");
    if (c == '\\') return refuse("holds a backslash");
  }
  if (path.front() == '/') return refuse("is absolute");
  for (std::size_t begin = 0; begin <= path.size();) {
    const auto end = std::min(path.find('/', begin), path.size());
    const auto part = path.substr(begin, end - begin);
    if (part.empty()) return refuse("has an empty part");
    if (part == "." || part == "..") return refuse("has a \".\" or \"..\" part");
    if (part.size() > max_part_bytes) return refuse("has a part longer than 255 bytes");
    begin = end + 1;
  }
  return {};
}

Status check_name(std::string_view name) {
  const auto is_alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const bool fine =
      !name.empty() && name.size() <= max_name_bytes && is_alphanumeric(name.front()) &&
      std::ranges::all_of(name, [&](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
  if (fine) return {};
  return fail(Errc::invalid,
              "a name has 1 to 64 lower-case letters, digits, '-', '_' or '.', and starts with a letter or digit",
              "name");
}

Result<VersionRef> VersionRef::parse(std::string_view text) {
  const auto at = text.find('@');
  VersionRef ref{std::string(text.substr(0, at)), 0};
  CHECK(check_name(ref.name));
  if (at == std::string_view::npos) return ref;
  const auto digits = text.substr(at + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), ref.number);
  const bool whole = error == std::errc{} && end == digits.data() + digits.size();
  if (!whole || digits.front() == '0')  // "0" and "01" would be second spellings
    return fail(Errc::invalid, "a version is written NAME or NAME@NUMBER, with a number from 1", "version");
  return ref;
}

std::string VersionRef::text() const { return number == 0 ? name : fmt::format("{}@{}", name, number); }

}  // namespace hauberk
