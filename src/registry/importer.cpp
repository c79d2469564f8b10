#include "registry/importer.h"

#include <fmt/format.h>

#include <algorithm>

namespace hauberk::registry {
namespace {

constexpr std::size_t buffer_bytes = 1u << 20;
constexpr int most_attempts = 3;  // at taking over an orphan while somebody else imports the same content

class Importer {
 public:
  Importer(const Ports& ports, Source& source, const ImportRequest& request)
      : ports_(ports), source_(source), request_(request), buffer_(buffer_bytes) {
    for (const auto& item : source.items()) total_ += item.size;
  }

  Status run() {
    if (source_.items().size() > request_.limits.files)
      return fail(Errc::exhausted,
                  fmt::format("it has {} files, at most {} are taken", source_.items().size(), request_.limits.files),
                  source_.origin());
    manifest_.kind = request_.kind;
    for (const auto& item : source_.items()) {
      auto stored = store(item);
      if (!stored) return std::unexpected(std::move(stored).error().in(item.path));
    }
    std::ranges::sort(manifest_.files, {}, &ManifestFile::path);
    TRY(Manifest::parse(manifest_.canonical()));  // nothing gets in that could not be read again
    return {};
  }

  const Manifest& manifest() const { return manifest_; }
  std::vector<WrappedKey> take_keys() { return std::move(keys_); }

 private:
  // The blob must be readable by the key that the catalogue holds. Three cases beside the ordinary one: the content was
  // there (its key too); it was there without a key, since an import was killed (written anew); its file was lost and
  // the catalogue's key belongs to that file (replaced).
  Status store(const Source::Item& item) {
    bool taking_over = false;
    for (int attempt = 1; attempt <= most_attempts; ++attempt) {
      auto blob = TRY(stream(item));
      const auto known = TRY(ports_.catalog.wrapped_key(blob.digest, Environment::dev));
      const bool new_here = std::ranges::find(keys_, blob.digest, &WrappedKey::blob) == keys_.end();
      if (blob.existed && !known && new_here) {
        CHECK(ports_.blobs.remove(blob.digest));
        done_ -= std::min(done_, blob.size);
        taking_over = true;
        continue;
      }
      if (!blob.existed) {
        auto key = TRY(wrap_for(ports_, blob.digest, Environment::dev, blob.data_key));
        // Kept at once where it must replace one; otherwise with the version, where the first one in stays.
        if (known || taking_over) CHECK(ports_.catalog.put_wrapped_keys({key}));
        keys_.push_back(std::move(key));
      }
      manifest_.files.push_back({item.path, blob.size, blob.digest});
      return {};
    }
    return fail(Errc::unavailable, "somebody else imports the same content just now; try again");
  }

  Result<StoredBlob> stream(const Source::Item& item) {
    auto reader = TRY(source_.open(item));
    auto writer = TRY(ports_.blobs.create(request_.limits.file_bytes));
    std::uint64_t size = 0;
    for (;;) {
      const auto count = TRY(reader->read(buffer_));
      if (count == 0) break;
      size += count;
      done_ += count;
      if (size > request_.limits.file_bytes)
        return fail(Errc::exhausted,
                    fmt::format("the file is larger than the limit of {} bytes", request_.limits.file_bytes));
      if (done_ > request_.limits.total_bytes)
        return fail(Errc::exhausted, fmt::format("all files together are larger than the limit of {} bytes",
                                                 request_.limits.total_bytes));
      CHECK(writer->write(ByteView(buffer_).first(count)));
      if (request_.progress) request_.progress(done_, std::max(done_, total_));
    }
    return writer->finish();
  }

  const Ports& ports_;
  Source& source_;
  const ImportRequest& request_;
  Bytes buffer_;
  std::uint64_t done_ = 0, total_ = 0;
  Manifest manifest_;
  std::vector<WrappedKey> keys_;
};

// A file's name is somebody else's text: what would disturb a terminal or a log is left out.
std::string cleaned(std::string_view text) {
  std::string clean;
  for (const char c : text.substr(0, 255))
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) clean += c;
  return clean;
}

}  // namespace

Result<Imported> import_artifact(const Ports& ports, Source& source, const ImportRequest& request,
                                 const Principal& principal) {
  CHECK(check_name(request.name));
  CHECK(require_grant(principal, "import", request.name));
  TRY(ports.keys.need(Environment::dev));  // before gigabytes are read
  Importer importer(ports, source, request);
  CHECK(importer.run());

  Version version{request.name,
                  0,
                  VersionState::quarantined,
                  importer.manifest(),
                  principal.subject,
                  ports.clock.now(),
                  cleaned(source.origin())};
  auto body = json::Value::object();
  body.set("name", request.name).set("origin", version.origin).set("kind", name(request.kind));
  body.set("files", version.manifest.files.size()).set("bytes", version.manifest.total_size());
  auto evidence = TRY(seal_about(ports, Environment::dev, predicate::import, {request.name, version.manifest.digest()},
                                 std::move(body), principal));
  auto added = TRY(ports.catalog.add_version(std::move(version), importer.take_keys(), {evidence}));
  return Imported{std::move(added), std::move(evidence)};
}

}  // namespace hauberk::registry
