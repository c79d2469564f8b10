#include "registry/loading.h"

#include <fmt/format.h>

#include <algorithm>

#include "registry/gate.h"

namespace hauberk::registry {
namespace {

constexpr std::size_t chunk_bytes = 1u << 20;

// Somebody who can write the catalogue's file, but has no key, must not be able to put a version into service: an
// environment above dev wants the promotion that its own key has sealed, and no retirement.
Status check_promotion(const Examined& examined, Environment environment) {
  bool promoted = environment == Environment::dev;
  for (std::size_t i = 0; i < examined.evidence.good.size(); ++i) {
    const auto& statement = examined.evidence.good[i].statement;
    const bool about = std::ranges::any_of(statement.subjects, [&](const Subject& subject) {
      return subject.digest == examined.artifact && subject.name == examined.version.ref();
    });
    if (!about || statement.predicate_type != predicate::promotion) continue;
    const auto to = statement.predicate.text_or("to", "");
    if (to == name(VersionState::retired)) return fail(Errc::precondition, "it was retired", examined.version.ref());
    promoted = promoted || (to == name(environment) && examined.evidence.sealed_by[i] == environment);
  }
  if (promoted) return {};
  return fail(Errc::denied,
              fmt::format("no promotion to {} that is signed by the key of {} lies on it", name(environment),
                          name(environment)),
              examined.version.ref());
}

Result<Examined> examine_for_serving(const Ports& ports, const Policies& policies, Environment environment,
                                     const VersionRef& ref, const Digest& expected) {
  auto examined = TRY(examine(ports, ref));
  const auto& version = examined.version;
  if (examined.artifact != expected)
    return fail(Errc::corrupt, "the version's digest is not the one that was deployed; do not serve it", version.ref());
  if (!serves(environment, version.state))
    return fail(Errc::precondition,
                fmt::format("it is {}, which {} does not serve", name(version.state), name(environment)),
                version.ref());
  CHECK(check_promotion(examined, environment));
  auto policy = policies.of(environment);
  if (environment == Environment::dev)
    policy.approvals = 0;  // they gate the step to `approved`; dev serves what is scanned
  const auto decision = decide(std::move(policy), examined, Ages::ignore, ports.clock.now());
  if (!decision.allow)
    return fail(Errc::denied,
                fmt::format("the policy of {} does not hold any more: {}", name(environment), summary(decision)),
                version.ref());
  return examined;
}

Result<std::unique_ptr<BlobReader>> open_blob(const Ports& ports, const ManifestFile& file, Environment environment) {
  auto data_key = TRY(unwrap_from(ports, file.digest, environment));
  auto reader = TRY(ports.blobs.open(file.digest, std::move(data_key)));
  if (reader->size() != file.size)
    return fail(
        Errc::corrupt,
        fmt::format("it has {} bytes, the manifest says {}; restore the blob from a backup", reader->size(), file.size),
        file.path);
  return reader;
}

class Export {
 public:
  Export(Files& files, std::string folder) : files_(files), folder_(std::move(folder)) {}
  Export(const Export&) = delete;
  Export& operator=(const Export&) = delete;
  ~Export() {
    if (!finished_)
      for (const auto& path : written_) (void)files_.remove(path);
  }

  Status begin() {
    if (files_.info(folder_) && !TRY(files_.list(folder_)).empty())
      return fail(Errc::exists, "the folder is not empty; name one that does not exist yet", folder_);
    return files_.make_directories(folder_);
  }

  Status write(const std::string& path, BlobReader& reader, const Digest& expected) {
    auto file = TRY(create(path));
    crypto::Sha256 hash;
    Bytes buffer(chunk_bytes);
    for (std::uint64_t offset = 0; offset < reader.size();) {
      const auto count = TRY(reader.read_at(offset, buffer));
      if (count == 0)
        return fail(Errc::corrupt, "the blob is shorter than its header says; restore it from a backup", path);
      const auto chunk = ByteView(buffer).first(count);
      hash.update(chunk);
      CHECK(file->append(chunk));
      offset += count;
      bytes_ += count;
    }
    if (hash.finish() != expected)
      return fail(Errc::corrupt,
                  "the content does not have the digest that the manifest names; restore the blob from a backup", path);
    return file->sync();
  }

  Status write(const std::string& path, std::string_view text) {
    auto file = TRY(create(path));
    CHECK(file->append(as_bytes(text)));
    return file->sync();
  }

  void finish() { finished_ = true; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  Result<std::unique_ptr<File>> create(const std::string& path) {
    const auto full = join_path(folder_, path);
    CHECK(files_.make_directories(parent_directory(full)));
    auto file = TRY(files_.open(full, OpenMode::create_new));
    written_.push_back(full);
    return file;
  }

  Files& files_;
  std::string folder_;
  std::vector<std::string> written_;
  std::uint64_t bytes_ = 0;
  bool finished_ = false;
};

}  // namespace

Result<LoadedVersion> load_for_serving(const Ports& ports, const Policies& policies, Environment environment,
                                       const VersionRef& ref, const Digest& expected, std::uint64_t limit) {
  auto examined = TRY(examine_for_serving(ports, policies, environment, ref, expected));
  const auto& manifest = examined.version.manifest;
  if (manifest.total_size() > limit)
    return fail(Errc::exhausted,
                fmt::format("its files have {} bytes, the limit for loading is {}", manifest.total_size(), limit),
                examined.version.ref());
  LoadedVersion loaded;
  loaded.files.reserve(manifest.files.size());
  for (const auto& file : manifest.files) {
    auto reader = TRY(open_blob(ports, file, environment));
    auto content = read_verified(*reader, file.digest, file.size);
    if (!content) return std::unexpected(std::move(content).error().in(examined.version.ref() + " " + file.path));
    loaded.files.push_back({file.path, *std::move(content)});
  }
  loaded.refused_evidence = std::move(examined.evidence.refused);
  loaded.version = std::move(examined.version);
  return loaded;
}

Status check_for_serving(const Ports& ports, const Policies& policies, Environment environment, const VersionRef& ref,
                         const Digest& expected) {
  TRY(examine_for_serving(ports, policies, environment, ref, expected));
  return {};
}

Result<std::unique_ptr<BlobReader>> open_for_scan(const Ports& ports, const ManifestFile& file) {
  return open_blob(ports, file, Environment::dev);
}

Result<Exported> export_version(const Ports& ports, Environment environment, const VersionRef& ref, Files& files,
                                const std::string& folder, const Principal& principal) {
  CHECK(require_version(ports, ref, "read", principal));
  auto examined = TRY(examine(ports, ref));
  const auto& version = examined.version;
  if (version.state == VersionState::quarantined || version.state == VersionState::revoked)
    return fail(Errc::precondition,
                fmt::format("it is {}; only what was found harmless leaves the registry", name(version.state)),
                version.ref());

  const auto evidence_file = fmt::format("{}-{}.intoto.jsonl", version.name, version.number);
  Export output(files, folder);
  CHECK(output.begin());
  for (const auto& file : version.manifest.files) {
    auto reader = TRY(open_blob(ports, file, environment));
    CHECK(output.write(join_path("files", file.path), *reader, file.digest));
  }
  std::string bundle;
  for (const auto& piece : examined.evidence.good) bundle += piece.envelope + "\n";
  CHECK(output.write(evidence_file, bundle));
  CHECK(output.write("manifest.json", version.manifest.canonical()));
  output.finish();
  return Exported{version, output.bytes(), evidence_file};
}

}  // namespace hauberk::registry
