#include "registry/importer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/page_bytes.h"
#include "crypto/sha256_lanes.h"

namespace hauberk::registry {
namespace {

// Of each file in a round: a batch of the store, so that those of all files are full, and hashed, at the same time.
constexpr std::size_t piece_bytes = 1u << 20;
constexpr int most_attempts = 3;  // at taking over an orphan while somebody else imports the same content

class Importer {
 public:
  Importer(const Ports& ports, Source& source, const ImportRequest& request)
      : ports_(ports), source_(source), request_(request) {
    for (const auto& item : source.items()) total_ += item.size;
  }

  Status run() {
    if (source_.items().size() > request_.limits.files)
      return fail(Errc::exhausted,
                  fmt::format("it has {} files, at most {} are taken", source_.items().size(), request_.limits.files),
                  source_.origin());
    manifest_.kind = request_.kind;
    CHECK(stream_all());
    std::ranges::sort(manifest_.files, {}, &ManifestFile::path);
    TRY(Manifest::parse(manifest_.canonical()));  // nothing gets in that could not be read again
    return {};
  }

  const Manifest& manifest() const { return manifest_; }
  std::vector<WrappedKey> take_keys() { return std::move(keys_); }

 private:
  // A file on its way into the store.
  struct Stream {
    const Source::Item* item = nullptr;
    std::unique_ptr<SourceReader> reader;
    std::unique_ptr<BlobWriter> writer;
    std::uint64_t size = 0;
  };

  // As many files side by side as digests are worth computing at once.
  Status stream_all() {
    const auto& items = source_.items();
    const auto most = std::min(items.size(), crypto::useful_lanes(crypto::best_sha256_kernel()));
    PageBytes buffer(most * piece_bytes);
    std::vector<Stream> streams;
    std::vector<BlobWriter*> writers;
    std::vector<ByteView> pieces;
    for (std::size_t next = 0; next < items.size() || !streams.empty();) {
      for (; streams.size() < most && next < items.size(); ++next) {
        auto stream = open(items[next]);
        if (!stream) return std::unexpected(std::move(stream).error().in(items[next].path));
        streams.push_back(std::move(*stream));
      }
      writers.clear();
      pieces.clear();
      for (auto at = streams.begin(); at != streams.end();) {
        const auto room = MutableBytes(buffer).subspan(pieces.size() * piece_bytes, piece_bytes);
        const auto count = read(*at, room);
        if (!count) return std::unexpected(Error(count.error()).in(at->item->path));
        if (*count == 0) {
          if (auto kept = keep(*at); !kept) return std::unexpected(std::move(kept).error().in(at->item->path));
          at = streams.erase(at);
          continue;
        }
        pieces.push_back(ByteView(room).first(*count));
        writers.push_back(at->writer.get());
        ++at;
      }
      if (auto written = ports_.blobs.write_together(writers, pieces); !written)
        return std::unexpected(
            std::move(written).error().in(streams.size() == 1 ? streams.front().item->path : source_.origin()));
      if (request_.progress) request_.progress(done_, std::max(done_, total_));
    }
    return {};
  }

  // The blob must be readable by the key that the catalogue holds. Three cases beside the ordinary one: the content was
  // there (its key too); it was there without a key, since an import was killed (written anew); its file was lost and
  // the catalogue's key belongs to that file (replaced).
  Status keep(Stream& stream) {
    std::optional<Digest> taking_over;
    for (int attempt = 1; attempt <= most_attempts; ++attempt) {
      if (taking_over) CHECK(stream_again(stream));
      // Between a file and its key nobody else may come.
      const auto lock = TRY(ports_.blobs.lock());
      if (taking_over && !TRY(ports_.catalog.wrapped_key(*taking_over, Environment::dev)) &&
          TRY(ports_.blobs.contains(*taking_over)))
        CHECK(ports_.blobs.remove(ports_.blobs.address_of(*taking_over)));
      auto blob = TRY(stream.writer->finish());
      const auto known = TRY(ports_.catalog.wrapped_key(blob.digest, Environment::dev));
      const bool new_here = std::ranges::find(keys_, blob.digest, &WrappedKey::blob) == keys_.end();
      if (blob.existed && !known && new_here) {
        done_ -= std::min(done_, blob.size);
        taking_over = blob.digest;
        continue;
      }
      if (!blob.existed) {
        auto key = TRY(wrap_for(ports_, blob.digest, Environment::dev, blob.data_key));
        // Kept at once where it must replace one; otherwise with the version, where the first one in stays.
        if (known || taking_over) CHECK(ports_.catalog.put_wrapped_keys({key}));
        keys_.push_back(std::move(key));
      }
      manifest_.files.push_back({stream.item->path, blob.size, blob.digest});
      return {};
    }
    return fail(Errc::unavailable, "somebody else imports the same content just now; try again");
  }

  Result<Stream> open(const Source::Item& item) {
    return Stream{&item, TRY(source_.open(item)), TRY(ports_.blobs.create(request_.limits.file_bytes)), 0};
  }

  // 0 at the end.
  Result<std::size_t> read(Stream& stream, MutableBytes out) {
    const auto count = TRY(stream.reader->read(out));
    stream.size += count;
    done_ += count;
    if (stream.size > request_.limits.file_bytes)
      return fail(Errc::exhausted,
                  fmt::format("the file is larger than the limit of {} bytes", request_.limits.file_bytes));
    if (done_ > request_.limits.total_bytes)
      return fail(Errc::exhausted,
                  fmt::format("all files together are larger than the limit of {} bytes", request_.limits.total_bytes));
    return count;
  }

  Status stream_again(Stream& stream) {
    stream = TRY(open(*stream.item));
    PageBytes buffer(piece_bytes);
    while (const auto count = TRY(read(stream, buffer))) CHECK(stream.writer->write(ByteView(buffer).first(count)));
    return {};
  }

  const Ports& ports_;
  Source& source_;
  const ImportRequest& request_;
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
  CHECK(require_grant(principal, "import", request.name, request.kind));
  const auto earlier = TRY(ports.catalog.versions(request.name));
  if (!earlier.empty() && earlier.back().manifest.kind != request.kind)
    return fail(
        Errc::invalid,
        fmt::format("what is called so is of the kind {}; give this another name", name(earlier.back().manifest.kind)),
        request.name);
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
