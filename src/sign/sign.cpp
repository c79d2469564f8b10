#include "sign/sign.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/utf8.h"
#include "crypto/certificate.h"

namespace hauberk::sign {
namespace {

using Method = Serialization::Method;
namespace fs = std::filesystem;

// Version control's own, at the top of the model only (OMS v1.0).
constexpr std::string_view always_ignored[] = {".git", ".gitattributes", ".github", ".gitignore"};

std::optional<std::string> inside(const fs::path& relative) {
  const auto text = relative.generic_string();
  if (text.empty() || text == "." || text == ".." || text.starts_with("../")) return std::nullopt;
  return text.ends_with('/') ? text.substr(0, text.size() - 1) : text;
}

Result<std::string> ignored_path(const ModelPlace& place, const std::string& text) {
  const auto refuse = [&](std::string_view why) {
    return fail(Errc::invalid, fmt::format("the path to ignore {}", why), text);
  };
  if (text.find_first_of("*?[") != std::string::npos) return refuse("is a pattern: name each file or folder");
  const bool absolute = text.starts_with('/');
  const auto found = path_below(place.path, absolute ? text : (fs::path(place.path) / text).string());
  return found ? Result<std::string>(*found) : refuse("must be a file or folder below the model");
}

bool covers(const std::set<std::string, std::less<>>& ignored, std::string_view path) {
  for (auto end = path.find('/'); end != std::string_view::npos; end = path.find('/', end + 1))
    if (ignored.contains(path.substr(0, end))) return true;
  return ignored.contains(path);
}

// What is left out: version control's own, the bundle, what the caller names and what the signature lists.
Result<std::set<std::string, std::less<>>> all_ignored(const ModelPlace& place, std::span<const std::string> listed) {
  std::set<std::string, std::less<>> ignored(std::begin(always_ignored), std::end(always_ignored));
  for (const auto& path : place.ignore_paths) ignored.insert(TRY(ignored_path(place, path)));
  for (const auto& bundle : place.bundles)
    if (auto path = path_below(place.path, bundle)) ignored.insert(std::move(*path));
  for (const auto& path : listed)
    // Some signers write paths as seen from where they stood. What does not lie in the model leaves nothing out.
    if (path.find('\0') == std::string::npos && !path.starts_with('/'))
      if (auto found = inside(fs::path(path).lexically_normal())) ignored.insert(std::move(*found));
  return ignored;
}

Status check_name(const std::string& path) {
  return is_utf8(path) ? Status{} : fail(Errc::invalid, "its name is not UTF-8; rename it", path);
}

Result<FileTree> walk(const ModelPlace& place, const Serialization& how,
                      const std::set<std::string, std::less<>>& ignored) {
  return FileTree::open(
      place.path, {.links = how.allow_symlinks ? FileTreeOptions::Links::follow_below : FileTreeOptions::Links::refuse,
                   .top_may_be_link = true,
                   .leave_out = [&](std::string_view path) { return covers(ignored, path); },
                   .check = check_name});
}

// What a signature lists of the tree: names and the ranges behind them.
struct Listing {
  std::vector<std::string> names;
  std::vector<FileRange> ranges;
};
Result<Listing> listing_of(const FileTree& tree, const Serialization& how) {
  constexpr std::uint64_t most_shards = 1'000'000;
  Listing listing;
  std::uint64_t shards = 0;
  for (const auto& file : tree.files()) {
    if (how.method == Method::files) break;
    const auto more = file.size / how.shard_size + 1;
    shards = more > most_shards ? more : shards + more;
    if (shards > most_shards)
      return fail(Errc::exhausted,
                  fmt::format("in shards of {} bytes that is more than {} shards", how.shard_size, most_shards),
                  file.path);
  }
  for (std::size_t i = 0; i < tree.files().size(); ++i) {
    const auto& file = tree.files()[i];
    if (how.method == Method::files) {
      listing.names.push_back(file.path);
      listing.ranges.push_back({i, 0, file.size});
      continue;
    }
    for (std::uint64_t begin = 0; begin < file.size; begin += how.shard_size) {
      const auto end = std::min(file.size, begin + how.shard_size);
      listing.names.push_back(fmt::format("{}:{}:{}", file.path, begin, end));
      listing.ranges.push_back({i, begin, end});
    }
  }
  return listing;
}

// The path in the name of a shard.
std::string_view path_of(std::string_view name, const Serialization& how) {
  if (how.method == Method::files) return name;
  const auto last = name.rfind(':');
  const auto first = last == std::string_view::npos || last == 0 ? last : name.rfind(':', last - 1);
  return first == std::string_view::npos ? name : name.substr(0, first);
}

void sort_and_unite(std::vector<std::string>& names) {
  std::ranges::sort(names);
  const auto rest = std::ranges::unique(names);
  names.erase(rest.begin(), rest.end());
}

class Comparing {
 public:
  Comparing(const ModelSignature& list, const CompareOptions& options) : list_(list), options_(options) {
    for (std::size_t i = 0; i < list.resources.size(); ++i) {
      const auto& name = list.resources[i].name;
      listed_.emplace(name, i);
      of_signed_files_.insert(path_of(name, list.serialization));
    }
    for (auto path : options.only) {
      while (path.ends_with('/')) path.pop_back();
      only_.insert(std::move(path));
    }
  }

  Result<Comparison> run(const FileTree& tree) {
    const auto listing = TRY(listing_of(tree, list_.serialization));
    std::vector<bool> met(list_.resources.size());
    std::vector<FileRange> ranges;
    std::vector<std::size_t> expected;
    for (std::size_t i = 0; i < listing.names.size(); ++i) {
      if (!wanted(listing.names[i])) continue;
      const auto found = place_of(listing.names[i], tree);
      if (!found) {
        // What was added to a signed file is no file that was added.
        const auto path = path_of(listing.names[i], list_.serialization);
        if (!options_.ignore_unsigned)
          result_.not_signed.emplace_back(path);
        else if (of_signed_files_.contains(tree.is_single_file() ? std::string_view(".") : path) ||
                 of_signed_files_.contains(path))
          result_.changed.emplace_back(path);
        continue;
      }
      met[*found] = true;
      ranges.push_back(listing.ranges[i]);
      expected.push_back(*found);
    }
    for (std::size_t i = 0; i < met.size(); ++i)
      if (const auto& name = list_.resources[i].name; !met[i] && wanted(name))
        result_.missing.emplace_back(path_of(name, list_.serialization));
    for (const auto& path : only_)
      if (std::ranges::none_of(list_.resources, [&](const Resource& one) { return is_of(one.name, path); }))
        return fail(Errc::not_found,
                    "the signature lists no such file or folder: write the path as it does, from the model on", path);
    CHECK(compare(tree, ranges, expected));
    tidy();
    return std::move(result_);
  }

 private:
  // Whether the file or shard is what `path` names, or lies below it.
  bool is_of(std::string_view name, std::string_view path) const {
    const auto file = path_of(name, list_.serialization);
    return name == path || file == path || (file.starts_with(path) && file.substr(path.size()).starts_with('/'));
  }
  bool wanted(std::string_view name) const {
    return only_.empty() || std::ranges::any_of(only_, [&](const std::string& path) { return is_of(name, path); });
  }

  std::optional<std::size_t> place_of(const std::string& name, const FileTree& tree) const {
    auto found = listed_.find(name);
    if (found == listed_.end() && tree.is_single_file()) {  // "." early signers called it
      const auto range = std::string_view(name).substr(path_of(name, list_.serialization).size());
      found = listed_.find("." + std::string(range));
    }
    return found != listed_.end() ? std::optional(found->second) : std::nullopt;
  }

  Status compare(const FileTree& tree, std::span<const FileRange> ranges, std::span<const std::size_t> expected) {
    auto hashing = options_.hashing;
    hashing.blake2b = list_.serialization.hash == Serialization::Hash::blake2b;
    const auto digests = TRY(hash_ranges(tree, ranges, hashing));
    for (std::size_t i = 0; i < digests.size(); ++i) {
      const auto& resource = list_.resources[expected[i]];
      if (digests[i] != resource.digest) {
        result_.changed.emplace_back(path_of(resource.name, list_.serialization));
        continue;
      }
      ++result_.checked;
      result_.bytes += ranges[i].end - ranges[i].begin;
    }
    return {};
  }

  // A file that grew or shrank has shards on both sides: it was changed.
  void tidy() {
    sort_and_unite(result_.missing);
    sort_and_unite(result_.not_signed);
    std::vector<std::string> both;
    std::ranges::set_intersection(result_.missing, result_.not_signed, std::back_inserter(both));
    for (const auto& path : both) {
      std::erase(result_.missing, path);
      std::erase(result_.not_signed, path);
      result_.changed.push_back(path);
    }
    sort_and_unite(result_.changed);
    for (const auto& path : result_.changed) {
      std::erase(result_.missing, path);
      std::erase(result_.not_signed, path);
    }
  }

  const ModelSignature& list_;
  const CompareOptions& options_;
  std::unordered_map<std::string_view, std::size_t> listed_;
  std::unordered_set<std::string_view> of_signed_files_;
  std::set<std::string, std::less<>> only_;
  Comparison result_;
};

}  // namespace

std::optional<std::string> path_below(const std::string& folder, const std::string& path) {
  std::error_code error;
  const auto spelled = [&](const std::string& name) { return fs::absolute(name, error).lexically_normal(); };
  if (auto found = inside(spelled(path).lexically_relative(spelled(folder) / ""))) return found;
  const auto resolved = [&](const std::string& name) { return fs::weakly_canonical(name, error); };
  return inside(resolved(path).lexically_relative(resolved(folder)));
}

Result<ModelSignature> list_model(const ModelPlace& place, Serialization serialization, const HashOptions& options) {
  const auto ignored = TRY(all_ignored(place, {}));
  const auto tree = TRY(walk(place, serialization, ignored));
  const auto listing = TRY(listing_of(tree, serialization));
  if (listing.names.empty())
    return fail(Errc::precondition, "there is nothing to sign: the model holds no files", place.path);
  auto hashing = options;
  hashing.blake2b = serialization.hash == Serialization::Hash::blake2b;
  auto digests = TRY(hash_ranges(tree, listing.ranges, hashing));
  ModelSignature list{.name = tree.name().empty() || tree.name() == "." ? "model" : tree.name(),
                      .serialization = std::move(serialization)};
  list.serialization.ignore_paths.assign(ignored.begin(), ignored.end());
  for (std::size_t i = 0; i < digests.size(); ++i) list.resources.push_back({listing.names[i], std::move(digests[i])});
  std::ranges::sort(list.resources, {}, &Resource::name);
  if (!list.serialization.as_reference) return list;
  if (tree.is_single_file())
    for (auto& one : list.resources) one.name.replace(0, path_of(one.name, list.serialization).size(), ".");
  sort_by_parts(list.resources, list.serialization.method);
  return list;
}

ModelSignature list_of(std::string name, std::vector<Resource> files) {
  ModelSignature list{.name = std::move(name), .resources = std::move(files)};
  list.serialization.ignore_paths.assign(std::begin(always_ignored), std::end(always_ignored));
  std::ranges::sort(list.resources, {}, &Resource::name);
  return list;
}

ModelSigner signer_of(const crypto::SigningKey& key) {
  return {[&key](ByteView message) -> Result<Bytes> { return key.sign(message); }, key.verifying().pem()};
}

Result<Bundle> sign_list(const ModelSignature& list, const ModelSigner& signer,
                         std::span<const crypto::Certificate> certificates) {
  Bundle bundle;
  auto& envelope = bundle.envelope.emplace();
  envelope.payload = write_statement(list);
  envelope.signatures.push_back(
      {"", TRY(signer.sign(crypto::pre_authentication_encoding(crypto::in_toto_type, envelope.payload)))});
  if (certificates.empty()) {
    bundle.key_hint = crypto::sha256(as_bytes(signer.public_pem)).hex();
    return bundle;
  }
  bundle.material = Bundle::Material::chain;
  for (const auto& one : certificates) bundle.certificates.push_back(one.der());
  return bundle;
}

std::set<std::string, std::less<>> signed_paths(const ModelSignature& list) {
  std::set<std::string, std::less<>> paths;
  for (const auto& resource : list.resources) paths.emplace(path_of(resource.name, list.serialization));
  return paths;
}

Comparison compare_lists(const ModelSignature& present, const ModelSignature& signed_list) {
  Comparison comparison;
  std::unordered_map<std::string_view, const Bytes*> there;
  for (const auto& one : present.resources) there.emplace(one.name, &one.digest);
  for (const auto& one : signed_list.resources) {
    const auto found = there.find(one.name);
    if (found == there.end()) {
      comparison.missing.push_back(one.name);
      continue;
    }
    if (*found->second == one.digest)
      ++comparison.checked;
    else
      comparison.changed.push_back(one.name);
    there.erase(found);
  }
  for (const auto& [name, digest] : there) comparison.not_signed.emplace_back(name);
  std::ranges::sort(comparison.not_signed);
  return comparison;
}

Result<Comparison> compare_model(const ModelPlace& place, const ModelSignature& list, const CompareOptions& options) {
  const auto ignored = TRY(all_ignored(place, list.serialization.ignore_paths));
  auto tree = walk(place, list.serialization, ignored);
  if (!tree) {
    auto error = std::move(tree).error();
    // A link or a device where the signature knows none: the model is not the one that was signed.
    if (error.code == Errc::invalid) error.code = Errc::denied;
    return std::unexpected(std::move(error));
  }
  auto comparison = TRY(Comparing(list, options).run(*tree));
  std::set<std::string, std::less<>> own;
  for (const auto& bundle : place.bundles)
    if (auto path = path_below(place.path, bundle)) own.insert(std::move(*path));
  for (const auto& path : tree->left_out())
    if (!own.contains(path)) comparison.ignored.push_back(path);
  return comparison;
}

}  // namespace hauberk::sign
