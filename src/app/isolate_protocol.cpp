#include "app/isolate_protocol.h"

#include <algorithm>
#include <cstring>

namespace hauberk::app {
namespace {

constexpr std::size_t head_size = 8;

// Integers of settings; both sides are the same program, so a missing one is a fault, not a default.
Result<std::uint64_t> count_of(const json::Value& value, std::string_view key) {
  const auto* found = value.find(key);
  const auto* number = found == nullptr ? nullptr : found->as_int();
  if (number == nullptr || *number < 0)
    return fail(Errc::corrupt, "worker settings: " + std::string(key) + " is missing or no count");
  return static_cast<std::uint64_t>(*number);
}

json::Value signed_count(std::uint64_t count) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(count, INT64_MAX));
}

}  // namespace

void append_frame(Bytes& out, FrameType type, ByteView payload) {
  const std::size_t at = out.size();
  out.resize(at + head_size + payload.size());
  store_le(out.data() + at, static_cast<std::uint32_t>(payload.size()));
  store_le(out.data() + at + 4, static_cast<std::uint32_t>(type));
  std::ranges::copy(payload, out.begin() + static_cast<std::ptrdiff_t>(at + head_size));
}

MutableBytes FrameBuffer::room(std::size_t least) {
  if (start_ == end_) start_ = end_ = 0;
  if (bytes_.size() - end_ < least && start_ > 0) {
    std::memmove(bytes_.data(), bytes_.data() + start_, end_ - start_);
    end_ -= start_;
    start_ = 0;
  }
  if (bytes_.size() - end_ < least) bytes_.resize(end_ + least);
  return MutableBytes(bytes_).subspan(end_);
}

Result<std::optional<Frame>> FrameBuffer::next() {
  if (end_ - start_ < head_size) return std::nullopt;
  const std::size_t length = load_le<std::uint32_t>(bytes_.data() + start_);
  if (length > max_frame)
    return fail(Errc::corrupt, "a frame of " + std::to_string(length) + " bytes is longer than allowed");
  if (end_ - start_ - head_size < length) return std::nullopt;
  const Frame frame{static_cast<FrameType>(load_le<std::uint32_t>(bytes_.data() + start_ + 4)),
                    ByteView(bytes_).subspan(start_ + head_size, length)};
  start_ += head_size + length;
  return frame;
}

Bytes ScanRequest::encode() const {
  Bytes out(9 + path.size());
  store_le(out.data(), size);
  out[8] = image_layer;
  std::ranges::copy(as_bytes(path), out.begin() + 9);
  return out;
}

Result<ScanRequest> ScanRequest::parse(ByteView payload) {
  if (payload.size() < 9) return fail(Errc::corrupt, "a scan request is cut short");
  return ScanRequest{.size = load_le<std::uint64_t>(payload.data()),
                     .path = std::string(as_text(payload.subspan(9))),
                     .image_layer = payload[8] != 0};
}

Bytes ReadRequest::encode() const {
  Bytes out(12);
  store_le(out.data(), offset);
  store_le(out.data() + 8, length);
  return out;
}

Result<ReadRequest> ReadRequest::parse(ByteView payload, std::uint64_t size) {
  if (payload.size() != 12) return fail(Errc::corrupt, "a read request is 12 bytes long");
  const ReadRequest request{load_le<std::uint64_t>(payload.data()), load_le<std::uint32_t>(payload.data() + 8)};
  if (request.length == 0 || request.length > max_read || request.offset >= size ||
      request.length > size - request.offset)
    return fail(Errc::corrupt, "a read request lies outside of the data");
  return request;
}

std::string WorkerSettings::encode() const {
  json::Value value;
  value.set("memory", signed_count(memory)).set("time_limit", time_limit.count()).set("hash", hash);
  value.set("bytes_out", signed_count(limits.bytes_out))
      .set("bytes_out_base", signed_count(limits.bytes_out_base))
      .set("bytes_out_ratio", signed_count(limits.bytes_out_ratio))
      .set("ratio", signed_count(limits.ratio))
      .set("depth", limits.depth);
  value.set("entries", signed_count(limits.entries)).set("opcodes", signed_count(limits.opcodes));
  value.set("budget_memory", signed_count(limits.memory)).set("findings", signed_count(limits.findings));
  return json::write(value);
}

Result<WorkerSettings> WorkerSettings::parse(std::string_view text) {
  const auto value = TRY(json::parse(text));
  const auto* hash = value.find("hash");
  if (hash == nullptr || hash->as_bool() == nullptr) return fail(Errc::corrupt, "worker settings: hash is missing");
  WorkerSettings settings;
  settings.memory = TRY(count_of(value, "memory"));
  settings.time_limit = Duration(static_cast<std::int64_t>(TRY(count_of(value, "time_limit"))));
  settings.hash = *hash->as_bool();
  settings.limits.bytes_out = TRY(count_of(value, "bytes_out"));
  settings.limits.bytes_out_base = TRY(count_of(value, "bytes_out_base"));
  settings.limits.bytes_out_ratio = std::max<std::uint64_t>(1, TRY(count_of(value, "bytes_out_ratio")));
  settings.limits.ratio = TRY(count_of(value, "ratio"));
  settings.limits.depth = static_cast<std::uint32_t>(TRY(count_of(value, "depth")));
  settings.limits.entries = TRY(count_of(value, "entries"));
  settings.limits.opcodes = TRY(count_of(value, "opcodes"));
  settings.limits.memory = TRY(count_of(value, "budget_memory"));
  settings.limits.findings = TRY(count_of(value, "findings"));
  return settings;
}

std::string encode_layers(const std::vector<LayerState>& layers) {
  json::Value list = json::Value::array();
  for (const auto& layer : layers)
    list.push(json::Value().set("name", layer.name).set("active", layer.active).set("detail", layer.detail));
  return json::write(list);
}

Result<std::vector<LayerState>> parse_layers(std::string_view text) {
  const auto list = TRY(json::parse(text, {.bytes = 64u << 10, .depth = 4}));
  if (list.as_array() == nullptr) return fail(Errc::corrupt, "the layers of a worker are no list");
  std::vector<LayerState> layers;
  for (const auto& item : *list.as_array()) {
    const auto* active = item.find("active");
    if (active == nullptr || active->as_bool() == nullptr)
      return fail(Errc::corrupt, "a layer of a worker has no state");
    layers.push_back(
        {std::string(item.text_or("name", "")), *active->as_bool(), std::string(item.text_or("detail", ""))});
  }
  return layers;
}

}  // namespace hauberk::app
