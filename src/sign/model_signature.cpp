#include "sign/model_signature.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "crypto/envelope.h"

namespace hauberk::sign {
namespace {

using Method = Serialization::Method;
using Hash = Serialization::Hash;

constexpr std::string_view statement_type = "https://in-toto.io/Statement/v1";
constexpr std::string_view legacy_predicate = "https://model_signing/Digests/v0.1";
constexpr std::size_t most_resources = 4'000'000, longest_name = 4096;

std::unexpected<Error> not_a_signature(std::string_view why) {
  return fail(Errc::corrupt, fmt::format("the signed statement is not a model signature: {}", why));
}

Status only_members(const json::Value* value, std::initializer_list<std::string_view> known, std::string_view where) {
  const auto* object = value != nullptr ? value->as_object() : nullptr;
  if (object == nullptr) return not_a_signature(fmt::format("{} is missing or no object", where));
  for (const auto& [key, member] : *object)
    if (std::ranges::find(known, key) == known.end())
      return not_a_signature(fmt::format("{} has the unknown member \"{:.40}\"", where, key));
  return {};
}

const json::Array* list_in(const json::Value& value, std::string_view key) {
  const auto* member = value.find(key);
  return member != nullptr ? member->as_array() : nullptr;
}

// Digests are lower-case hex: an upper-case one would be a second spelling.
Result<Bytes> digest_of(std::string_view text, std::size_t size) {
  auto bytes = from_hex(text);
  if (!bytes || bytes->size() != size || hex(*bytes) != text)
    return not_a_signature(fmt::format("a digest is not {} bytes of lower-case hex", size));
  return std::move(*bytes);
}

std::size_t digest_size(Hash hash) { return hash == Hash::sha256 ? 32 : 64; }

// Names are compared, never opened; still no signer has a reason to write these.
bool is_plain_path(std::string_view name) {
  if (name.empty() || name.size() > longest_name || name.front() == '/' || name.back() == '/') return false;
  if (name.find('\0') != std::string_view::npos) return false;
  for (std::size_t begin = 0; begin <= name.size();) {
    const auto end = std::min(name.find('/', begin), name.size());
    const auto part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

// Some readers end a text at its first NUL: what they see would be another statement.
bool holds_nul(const json::Value& value) {
  if (const auto* text = value.as_string()) return text->find('\0') != std::string::npos;
  if (const auto* list = value.as_array()) return std::ranges::any_of(*list, holds_nul);
  if (const auto* object = value.as_object())
    return std::ranges::any_of(*object, [](const json::Member& member) {
      return member.first.find('\0') != std::string::npos || holds_nul(member.second);
    });
  return false;
}

Result<Serialization> parse_serialization(const json::Value* value) {
  CHECK(only_members(value, {"method", "hash_type", "allow_symlinks", "ignore_paths", "shard_size"}, "serialization"));
  Serialization result;
  const auto method = value->text_or("method", ""), hash = value->text_or("hash_type", "");
  if (method != "files" && method != "shards")
    return fail(Errc::unsupported,
                fmt::format("the signature lists the model by the unknown method \"{:.40}\"", method));
  if (hash != "sha256" && hash != "blake2b")
    return fail(Errc::unsupported,
                fmt::format("the signature uses the hash \"{:.40}\"; known are sha256 and blake2b", hash));
  result.method = method == "files" ? Method::files : Method::shards;
  result.hash = hash == "sha256" ? Hash::sha256 : Hash::blake2b;
  const auto* links = value->find("allow_symlinks");
  if (links == nullptr || links->as_bool() == nullptr)
    return not_a_signature("allow_symlinks is missing or not true or false");
  result.allow_symlinks = *links->as_bool();
  const auto* size = value->find("shard_size");
  if ((size != nullptr) != (result.method == Method::shards))
    return not_a_signature("shard_size belongs to shards, and only there");
  if (size != nullptr) {
    const double number = size->number();  // some write 1000000000.0
    if (!(number >= 1 && number <= 9e15) || number != static_cast<double>(static_cast<std::uint64_t>(number)))
      return not_a_signature("shard_size is no number from 1");
    result.shard_size = static_cast<std::uint64_t>(number);
  }
  if (const auto* ignored = value->find("ignore_paths"); ignored != nullptr && !ignored->is_null()) {
    if (!ignored->is_array()) return not_a_signature("ignore_paths is no list");
    for (const auto& path : *ignored->as_array()) {
      const auto* text = path.as_string();
      if (text == nullptr || text->empty() || text->size() > longest_name)
        return not_a_signature("ignore_paths holds no path");
      result.ignore_paths.push_back(*text);
    }
  }
  return result;
}

Result<std::vector<Resource>> parse_resources(const json::Array* list, const Serialization& how) {
  if (list == nullptr || list->empty()) return not_a_signature("it lists no files");
  if (list->size() > most_resources) return not_a_signature("it lists too many files");
  const std::string_view hash = how.hash == Hash::sha256 ? "sha256" : "blake2b";
  const auto sharded = fmt::format("{}-sharded-{}", hash, how.shard_size);
  std::vector<Resource> resources;
  std::set<std::string_view> names;
  resources.reserve(list->size());  // names points into it
  for (const auto& one : *list) {
    const auto algorithm = one.text_or("algorithm", "");
    if (algorithm != hash && !(how.method == Method::shards && algorithm == sharded))
      return not_a_signature(fmt::format("a file's algorithm is \"{:.60}\", but hash_type is {}", algorithm, hash));
    Resource resource{.name = std::string(one.text_or("name", "")),
                      .digest = TRY(digest_of(one.text_or("digest", ""), digest_size(how.hash)))};
    const bool whole = resource.name == "." && list->size() == 1;  // so single files were called
    if (!whole && !is_plain_path(resource.name)) return not_a_signature("a file's name is no path below the model");
    resources.push_back(std::move(resource));
    if (!names.insert(resources.back().name).second)
      return not_a_signature(fmt::format("it lists \"{:.100}\" twice", resources.back().name));
  }
  return resources;
}

Result<ModelSignature> parse_legacy(const json::Value& value) {
  ModelSignature signature;
  const auto* subjects = list_in(value, "subject");
  json::Array list;
  for (const auto& subject : subjects != nullptr ? *subjects : json::Array()) {
    const auto* annotations = subject.find("annotations");
    const auto* digest = subject.find("digest");
    if (annotations == nullptr || annotations->text_or("actual_hash_algorithm", "") != "file-sha256" || !digest)
      return not_a_signature("a subject of version 0.2.0 is no file with SHA-256");
    list.push_back(json::Value()
                       .set("name", std::string(subject.text_or("name", "")))
                       .set("algorithm", "sha256")
                       .set("digest", std::string(digest->text_or("sha256", ""))));
  }
  signature.resources = TRY(parse_resources(&list, signature.serialization));
  return signature;
}

}  // namespace

Digest ModelSignature::root() const {
  crypto::Sha256 hash;
  for (const auto& resource : resources) hash.update(resource.digest);
  return hash.finish();
}

void sort_by_parts(std::vector<Resource>& resources, Serialization::Method method) {
  std::ranges::sort(resources, {}, [method](const Resource& one) {
    std::pair<std::string, std::uint64_t> key{one.name, 0};
    if (method == Method::shards)
      if (const auto last = one.name.rfind(':'); last != std::string::npos && last != 0)
        if (const auto first = one.name.rfind(':', last - 1); first != std::string::npos) {
          key.first.resize(first);
          (void)std::from_chars(one.name.data() + first + 1, one.name.data() + last, key.second);
        }
    std::ranges::replace(key.first, '/', '\0');  // below every other character
    return key;
  });
}

std::vector<Digest> ModelSignature::roots() const {
  ModelSignature sorted = *this;
  std::vector<Digest> all{root()};
  std::ranges::sort(sorted.resources, {}, &Resource::name);
  all.push_back(sorted.root());
  sort_by_parts(sorted.resources, serialization.method);
  all.push_back(sorted.root());
  return all;
}

Digest ModelSignature::identity() const {
  std::vector<const Resource*> sorted;
  for (const auto& resource : resources) sorted.push_back(&resource);
  std::ranges::sort(sorted, {}, [](const Resource* one) -> const std::string& { return one->name; });
  crypto::Sha256 hash;
  const auto add = [&](ByteView part) {
    std::array<std::uint8_t, 8> length;
    store_be(length.data(), static_cast<std::uint64_t>(part.size()));
    hash.update(length);
    hash.update(part);
  };
  for (const auto* resource : sorted) {
    add(as_bytes(resource->name));
    add(resource->digest);
  }
  return hash.finish();
}

std::string write_statement(const ModelSignature& signature) {
  const auto& how = signature.serialization;
  const std::string_view hash = how.hash == Hash::sha256 ? "sha256" : "blake2b";
  const auto algorithm = how.as_reference && how.method == Method::shards
                             ? fmt::format("{}-sharded-{}", hash, how.shard_size)
                             : std::string(hash);
  json::Value resources = json::Value::array(), ignored = json::Value::array();
  for (const auto& one : signature.resources)
    resources.push(json::Value().set("name", one.name).set("digest", hex(one.digest)).set("algorithm", algorithm));
  for (const auto& path : how.ignore_paths) ignored.push(path);
  json::Value serialization;
  serialization.set("method", how.method == Method::files ? "files" : "shards").set("hash_type", hash);
  if (how.method == Method::shards) serialization.set("shard_size", how.shard_size);
  serialization.set("allow_symlinks", how.allow_symlinks).set("ignore_paths", std::move(ignored));
  json::Value subject;
  subject.set("name", signature.name).set("digest", json::Value().set("sha256", signature.root().hex()));
  json::Value statement;
  statement.set("_type", statement_type).set("subject", json::Value().push(std::move(subject)));
  statement.set("predicateType", model_predicate);
  statement.set("predicate",
                json::Value().set("resources", std::move(resources)).set("serialization", std::move(serialization)));
  return json::write(statement);
}

Result<ModelSignature> parse_statement(std::string_view payload, Legacy legacy) {
  const auto value = json::parse(payload, {.depth = 8, .values = 8u << 20});
  if (!value) return not_a_signature(value.error().message);
  if (holds_nul(*value)) return not_a_signature("a text in it holds NUL");
  CHECK(only_members(&*value, {"_type", "subject", "predicateType", "predicate"}, "the statement"));
  if (value->text_or("_type", "") != statement_type) return not_a_signature("its type is not in-toto's Statement v1");
  const auto type = value->text_or("predicateType", "");
  if (type == legacy_predicate && legacy == Legacy::read) return parse_legacy(*value);
  if (type == legacy_predicate)
    return fail(Errc::unsupported, "it is a signature of version 0.2.0, which binds less; --allow-legacy accepts it");
  if (type != model_predicate) return not_a_signature(fmt::format("its predicate is \"{:.100}\"", type));
  const auto* predicate = value->find("predicate");
  CHECK(only_members(predicate, {"resources", "serialization"}, "the predicate"));
  ModelSignature signature;
  signature.serialization = TRY(parse_serialization(predicate->find("serialization")));
  signature.resources = TRY(parse_resources(list_in(*predicate, "resources"), signature.serialization));
  const auto* subjects = list_in(*value, "subject");
  if (subjects == nullptr || subjects->size() != 1) return not_a_signature("it has not exactly one subject");
  const auto& subject = subjects->front();
  signature.name = subject.text_or("name", "");
  if (signature.name.empty()) return not_a_signature("its subject has no name");
  const auto* digest = subject.find("digest");
  const auto root = TRY(digest_of(digest != nullptr ? digest->text_or("sha256", "") : "", 32));
  if (!std::ranges::equal(root, signature.root().bytes))
    return not_a_signature("its root digest is not that of the files it lists");
  return signature;
}

Bytes legacy_encoding(std::string_view type, std::string_view payload) {
  // The way Python shows bytes.
  const bool double_quotes =
      payload.find('\'') != std::string_view::npos && payload.find('"') == std::string_view::npos;
  const char quote = double_quotes ? '"' : '\'';
  auto text = fmt::format("DSSEV1 {} {} {} b{}", type.size(), type, payload.size(), quote);
  for (const char c : payload) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\\' || c == quote)
      text += {'\\', c};
    else if (c == '\n')
      text += "\\n";
    else if (c == '\r')
      text += "\\r";
    else if (c == '\t')
      text += "\\t";
    else if (byte < 0x20 || byte >= 0x7f)
      text += fmt::format("\\x{:02x}", byte);
    else
      text += c;
  }
  text += quote;
  return to_bytes(text);
}

}  // namespace hauberk::sign
