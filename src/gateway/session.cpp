#include "gateway/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/log.h"
#include "base/text.h"
#include "gateway/surface_openai.h"
#include "gateway/surface_v2.h"
#include "gateway/upstream_credential.h"
#include "net/http_status.h"
#include "net/sse.h"

namespace hauberk::gateway {
namespace {

constexpr std::string_view server_version = "0.1.0";
// Parsing more than this would hold up the other connections of the worker.
constexpr std::size_t large_body = 256 << 10;

bool is_lower_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// The trace id of a W3C traceparent (version 00), or nothing where it is not exactly one.
std::string_view trace_id_of(std::string_view traceparent) {
  if (traceparent.size() != 55 || !traceparent.starts_with("00-") || traceparent[35] != '-' || traceparent[52] != '-')
    return {};
  const auto trace = traceparent.substr(3, 32), span = traceparent.substr(36, 16);
  if (!is_lower_hex(trace) || !is_lower_hex(span) || !is_lower_hex(traceparent.substr(53, 2))) return {};
  if (trace.find_first_not_of('0') == std::string_view::npos || span.find_first_not_of('0') == std::string_view::npos)
    return {};
  return trace;
}

// The token of exactly one Authorization header with the scheme Bearer.
std::string_view bearer_of(const net::HttpHead& head) {
  std::string_view found;
  for (const auto& [name, value] : head.headers) {
    if (name.size() != 13 || !net::same_name(name, "authorization")) continue;
    if (found.data() != nullptr || value.size() < 8 || !net::same_name(value.substr(0, 7), "bearer ")) return {};
    found = value.substr(7);
  }
  return found;
}

std::int64_t unix_milliseconds(Instant when) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch()).count();
}
double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

// While it lives, a client that hangs up ends the wait for its upstream.
class HangupLink {
 public:
  HangupLink(net::Watched& client, net::Watched& upstream) : client_(client) {
    client_.cancel_on_hangup(&upstream);
    if (client_.hung_up()) upstream.cancel();
  }
  ~HangupLink() { client_.cancel_on_hangup(nullptr); }
  HangupLink(const HangupLink&) = delete;
  HangupLink& operator=(const HangupLink&) = delete;

 private:
  net::Watched& client_;
};

// What an upstream's refusal means for the caller. Its own words are not passed on: they may tell about the inside.
struct MappedStatus {
  int status;
  std::string_view message;
  std::string_view reason;
};
MappedStatus map_upstream_status(int status) {
  switch (status) {
    case 400:
    case 413:
    case 422:
      return {400, "the model's server does not accept this request", "upstream_refused"};
    case 404:
      return {404, "the model's server does not offer this", "upstream_not_found"};
    case 429:
      return {429, "the model's server is busy; try again later", "upstream_busy"};
    case 503:
      return {503, "the model's server is not available; try again later", "upstream_unavailable"};
    case 504:
      return {504, "the model's server took too long", "upstream_timeout"};
    default:
      return {502, "the model's server failed", "upstream_failed"};
  }
}

void append_event(std::string& out, const net::SseEvent& event) {
  if (!event.event.empty()) out += "event: " + event.event + "\n";
  std::string_view data = event.data;
  while (true) {
    const auto end = data.find('\n');
    out += "data: ";
    out += data.substr(0, end);
    out += '\n';
    if (end == std::string_view::npos) break;
    data.remove_prefix(end + 1);
  }
  out += '\n';
}

}  // namespace

Session::Session(Worker& worker, net::Socket& socket, std::string peer)
    : worker_(worker), socket_(socket), peer_(std::move(peer)), reader_(socket, worker.shared().config.http) {
  worker_.enter(this);
}
Session::~Session() { worker_.leave(this); }

net::Task<void> Session::run() {
  const auto& config = worker_.shared().config;
  while (keep_alive_ && !worker_.shared().draining.load(std::memory_order_relaxed)) {
    idle_ = true;
    total_until_ = Tick::max();
    net::HttpFault fault;
    const auto read = co_await reader_.request_head(head_, fault, deadline(config.idle_timeout), config.head_timeout);
    idle_ = false;
    if (read == net::HeadRead::bad || read == net::HeadRead::timed_out) {
      head_ = net::HttpHead{};
      route_ = Route{.surface = Surface::v2};
      begin_exchange();
      keep_alive_ = false;
      if (read == net::HeadRead::bad)
        co_await refuse(fault.status, fault.reason, "bad_head");
      else
        co_await refuse(408, "the head of the request did not come in time", "head_timeout");
      co_return;
    }
    if (read != net::HeadRead::complete) co_return;
    keep_alive_ = head_.keep_alive;
    begin_exchange();
    worker_.shared().in_flight_gauge.set(static_cast<std::int64_t>(++worker_.shared().in_flight));
    co_await handle();
    worker_.shared().in_flight_gauge.set(static_cast<std::int64_t>(--worker_.shared().in_flight));
    // A body that nobody read would be taken for the next request.
    if (!reader_.body_done()) keep_alive_ = false;
    snapshot_.reset();
    served_ = nullptr;
  }
}

void Session::begin_exchange() {
  auto& shared = worker_.shared();
  snapshot_ = worker_.snapshot();
  served_ = nullptr;
  next_guard_ = 0;
  body_ = {};
  upstream_time_ = {};
  bytes_out_ = 0;
  recorded_ = answered_ = false;
  exchange_ = Exchange{};
  began_ = shared.clock.tick();
  total_until_ = worker_.loop().now() + shared.config.total_timeout;
  exchange_.started = began_;
  exchange_.received = shared.clock.now();
  exchange_.id = make_id(unix_milliseconds(exchange_.received), worker_.ids());
  exchange_.peer = peer_;
  exchange_.bearer = bearer_of(head_);
  const auto incoming = head_.find("traceparent");
  const auto trace = trace_id_of(incoming);
  std::array<std::uint8_t, 24> fresh;
  worker_.ids().fill(fresh);
  const auto digits = hex(fresh);
  append_all(exchange_.trace_parent, "00-", trace.empty() ? std::string_view(digits).substr(16) : trace, "-",
             std::string_view(digits).substr(0, 16), "-", trace.empty() ? "01" : incoming.substr(53, 2));
}

net::Task<void> Session::handle() {
  auto& shared = worker_.shared();
  route_ = find_route(head_.method, head_.target);
  exchange_.surface = route_.surface;
  exchange_.operation = route_.operation;
  if (route_.operation == Operation::none) {
    if (route_.allow.empty()) {
      co_await refuse(404, "there is no such path", "no_route");
    } else {
      co_await answer({.status = 405,
                       .body = body_storage_ = error_body(405, "this path takes another method", "method"),
                       .allow = route_.allow});
    }
    co_return;
  }
  if (!shared.ledger.healthy()) {
    co_await refuse(503, "requests cannot be recorded at the moment; try again later", "ledger");
    co_return;
  }
  if (shared.in_flight.load(std::memory_order_relaxed) > shared.config.in_flight) {
    co_await refuse(503, "too many requests are in flight; try again later", "overload");
    co_return;
  }
  if (const auto coding = head_.find("content-encoding");
      coding.data() != nullptr && !net::same_name(coding, "identity")) {
    co_await refuse(415, "encoded bodies are not accepted", "content_encoding");
    co_return;
  }
  if (route_.surface == Surface::openai)
    co_await handle_openai();
  else
    co_await handle_v2();
}

bool Session::inspect(const guard::Chain& chain, guard::Needs known) {
  const guard::GuardContext context{.now = exchange_.received, .tick = began_, .tokens = snapshot_->tokens.get()};
  const auto before = exchange_.verdicts.size();
  const bool good = chain.inspect(exchange_, known, context, next_guard_);
  for (auto i = before; i < exchange_.verdicts.size(); ++i) {
    const auto& verdict = exchange_.verdicts[i];
    worker_.shared()
        .metrics
        .counter("hauberk_guard_verdicts_total", "Answers of guards other than pass.",
                 {{"guard", std::string(verdict.guard)},
                  {"action", std::string(name(verdict.action))},
                  {"reason", std::string(verdict.reason)},
                  {"enforced", verdict.enforced ? "true" : "false"}})
        .add();
  }
  return good;
}

// Finds the deployment. Where there is none the caller's grant decides what it is told: nobody learns which names
// exist.
bool Session::enter_deployment(std::string_view wanted) {
  exchange_.deployment = wanted;
  served_ = snapshot_->find(wanted);
  if (served_ == nullptr) return inspect(snapshot_->front, guard::Needs::input);
  exchange_.deployment = served_->name;  // not the alias it was asked for: limits and grants are the deployment's
  exchange_.deployment_entry = served_->entry;
  exchange_.artifact = served_->artifact;
  next_guard_ = 0;
  return inspect(served_->chain, guard::Needs::deployment);
}

net::Task<bool> Session::read_body() {
  const auto& config = worker_.shared().config;
  const Tick until = deadline(config.body_timeout);
  if (head_.expect_continue) {
    auto sent = co_await socket_.write(as_bytes("HTTP/1.1 100 Continue\r\n\r\n"), {}, until);
    if (!sent) {
      keep_alive_ = false;
      co_return false;
    }
  }
  auto body = co_await reader_.whole_body(body_storage_, config.body_bytes, until);
  if (body) {
    body_ = *body;
    exchange_.body_bytes = body_.size();
    co_return true;
  }
  keep_alive_ = false;
  switch (body.error().code) {
    case Errc::exhausted:
      co_await refuse(413, fmt::format("the body is larger than {} bytes", config.body_bytes), "body_too_large");
      break;
    case Errc::deadline:
      co_await refuse(408, "the body did not come in time", "body_timeout");
      break;
    case Errc::corrupt:
      co_await refuse(400, body.error().message, "bad_body");
      break;
    default:
      (void)record(499, "error", "client_gone");
      break;
  }
  co_return false;
}

net::Task<void> Session::handle_openai() {
  const bool has_body = route_.operation == Operation::chat || route_.operation == Operation::completion ||
                        route_.operation == Operation::embedding;
  if (!has_body) {
    const auto* asked = snapshot_->find(route_.model);
    // Not the alias it was asked for: grants are the deployment's.
    exchange_.deployment = asked != nullptr ? std::string_view(asked->name) : route_.model;
    if (!inspect(snapshot_->front, guard::Needs::input)) {
      co_await refuse_by_verdict();
      co_return;
    }
    if (route_.operation == Operation::list_models) {
      std::vector<std::string> names;
      for (const auto& [name, served] : snapshot_->deployments)
        if (served->upstream &&
            (exchange_.principal.allowed("infer", name) || exchange_.principal.allowed("read", name)))
          names.push_back(name);
      body_storage_ = write_openai_models(names, snapshot_->built_unix_seconds);
    } else {
      if (asked == nullptr || !asked->upstream) {
        co_await refuse(404, fmt::format("the model '{}' does not exist", route_.model), "model_not_found");
        co_return;
      }
      body_storage_ = write_openai_model(route_.model, snapshot_->built_unix_seconds);
    }
    co_await answer({.body = body_storage_});
    co_return;
  }
  // The model's name lies in the body; who asks is settled before a byte of it is read, unless some model is public.
  if (!snapshot_->any_public && !inspect(snapshot_->front, guard::Needs::head)) {
    co_await refuse_by_verdict();
    co_return;
  }
  if (!co_await read_body()) co_return;
  auto input = parse_openai(route_.operation, body_);
  if (!input) {
    if (exchange_.principal.credential == CredentialKind::none && !inspect(snapshot_->front, guard::Needs::head))
      co_await refuse_by_verdict();
    else
      co_await refuse(400, input.error().message, "bad_request");
    co_return;
  }
  if (!enter_deployment(input->model)) {
    co_await refuse_by_verdict();
    co_return;
  }
  if (served_ == nullptr || !served_->upstream) {
    co_await refuse(404, fmt::format("the model '{:.64}' does not exist", input->model), "model_not_found");
    co_return;
  }
  exchange_.input = std::move(*input);
  if (!inspect(served_->chain, guard::Needs::input)) {
    co_await refuse_by_verdict();
    co_return;
  }
  co_await proxy(*served_, std::get<TextInput>(exchange_.input));
}

net::Task<void> Session::handle_v2() {
  if (route_.model.empty()) {
    if (!inspect(snapshot_->front, guard::Needs::input)) {
      co_await refuse_by_verdict();
      co_return;
    }
    if (route_.operation == Operation::server_metadata)
      body_storage_ = write_v2_server_metadata(server_version);
    else if (route_.operation == Operation::server_ready)
      body_storage_ = fmt::format("{{\"ready\":{}}}", snapshot_->ready);
    else
      body_storage_ = "{\"live\":true}";
    const bool unready = route_.operation == Operation::server_ready && !snapshot_->ready;
    co_await answer({.status = unready ? 503 : 200, .body = body_storage_});
    co_return;
  }
  if (!enter_deployment(route_.model)) {
    co_await refuse_by_verdict();
    co_return;
  }
  if (served_ == nullptr || !served_->model || (!route_.version.empty() && route_.version != served_->version)) {
    co_await refuse(404,
                    fmt::format("the model '{}'{} does not exist", route_.model,
                                route_.version.empty() ? "" : fmt::format(", version {},", route_.version)),
                    "model_not_found");
    co_return;
  }
  if (route_.operation == Operation::model_ready) {
    body_storage_ = fmt::format("{{\"name\":\"{}\",\"ready\":true}}", served_->name);
    co_await answer({.body = body_storage_});
    co_return;
  }
  if (route_.operation == Operation::model_metadata) {
    body_storage_ = write_v2_model_metadata(served_->name, served_->version, served_->model->info());
    co_await answer({.body = body_storage_});
    co_return;
  }
  if (!co_await read_body()) co_return;
  co_await infer(*served_);
}

net::Task<void> Session::infer(const ServedDeployment& served) {
  auto& shared = worker_.shared();
  std::optional<std::size_t> json_size;
  if (const auto text = head_.find("inference-header-content-length"); text.data() != nullptr) {
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
      co_await refuse(400, "Inference-Header-Content-Length is no number", "bad_request");
      co_return;
    }
    json_size = value;
  }
  Result<TensorInput> input = fail(Errc::unavailable, "");
  const auto parse = [&] { input = parse_v2_infer(body_, json_size, shared.config.tensor_elements); };
  bool accepted = true;
  if (body_.size() > large_body)
    accepted = co_await shared.compute.run(worker_.loop(), parse);
  else
    parse();
  if (accepted && !input) {
    co_await refuse(400, input.error().message, "bad_request");
    co_return;
  }
  if (accepted) {
    exchange_.input = std::move(*input);
    if (!inspect(served.chain, guard::Needs::input)) {
      co_await refuse_by_verdict();
      co_return;
    }
    const Tick started = shared.clock.tick();
    const auto& tensors = std::get<TensorInput>(exchange_.input);
    Result<V2Response> response = fail(Errc::unavailable, "");
    accepted = co_await shared.compute.run(worker_.loop(), [&] {
      auto outputs = served.model->infer(tensors);
      if (outputs)
        response = write_v2_infer(served.name, served.version, tensors, *outputs);
      else
        response = std::unexpected(std::move(outputs).error());
    });
    upstream_time_ = shared.clock.tick() - started;
    if (accepted && response) {
      const bool binary = response->json_size.has_value();
      co_await answer({.content_type = binary ? "application/octet-stream" : "application/json",
                       .body = response->body,
                       .v2_json_size = response->json_size});
      co_return;
    }
    if (accepted) {
      if (response.error().code == Errc::invalid) {
        co_await refuse(400, response.error().message, "engine_refused");
      } else {
        log::error("inference failed",
                   {{"deployment", served.name}, {"request", exchange_.id}, {"error", response.error().text()}});
        co_await refuse(500, "the model failed on this input", "engine_failed");
      }
      co_return;
    }
  }
  co_await refuse(503, "too much work is waiting; try again later", "compute_queue_full");
}

net::Task<void> Session::proxy(const ServedDeployment& served, const TextInput& input) {
  auto& shared = worker_.shared();
  const auto& upstream = *served.upstream;
  const std::string body = write_openai_upstream_body(input, upstream.model);
  std::string head;
  head.reserve(512);
  append_all(head, "POST ", upstream.base_path, "/v1/",
             route_.operation == Operation::chat ? "chat/completions" : name(route_.operation),
             " HTTP/1.1\r\nHost: ", upstream.authority,
             "\r\nContent-Type: application/json\r\nContent-Length: ", body.size(),
             "\r\nAccept: ", input.stream ? "text/event-stream" : "application/json",
             "\r\ntraceparent: ", exchange_.trace_parent, "\r\nx-request-id: ", exchange_.id, "\r\n");
  UpstreamCredential::append_header(head, upstream.credential.get());
  head += "\r\n";
  const Tick started = shared.clock.tick();
  const auto failed = [&](int status, std::string_view message, std::string_view reason) {
    upstream_time_ = shared.clock.tick() - started;
    shared.metrics
        .counter("hauberk_upstream_errors_total", "Failures of upstreams.",
                 {{"deployment", served.name}, {"reason", std::string(reason)}})
        .add();
    return refuse(status, message, reason);
  };

  UpstreamConnection connection;
  net::HttpHead answer_head;
  for (int attempt = 0;; ++attempt) {
    auto connected = co_await worker_.connect(upstream, attempt > 0, total_until_);
    if (!connected) {
      const bool late = connected.error().code == Errc::deadline;
      log::error("cannot reach an upstream",
                 {{"deployment", served.name}, {"upstream", upstream.authority}, {"error", connected.error().text()}});
      co_await failed(late ? 504 : 502, "the model's server cannot be reached",
                      late ? "upstream_connect_timeout" : "upstream_unreachable");
      co_return;
    }
    connection = std::move(*connected);
    const HangupLink link(socket_.watched(), connection.socket->watched());
    const Tick until = deadline(upstream.first_byte_timeout);
    auto sent = co_await connection.socket->write(as_bytes(head), as_bytes(body), until);
    auto read = net::HeadRead::cut;
    net::HttpFault fault;
    if (sent) do {
        read = co_await connection.reader->response_head(answer_head, fault, until);
      } while (read == net::HeadRead::complete && answer_head.status < 200);
    if (read == net::HeadRead::complete) break;
    if (socket_.watched().hung_up()) {
      upstream_time_ = shared.clock.tick() - started;
      keep_alive_ = false;
      (void)record(499, "error", "client_gone");
      co_return;
    }
    const bool broken = !sent || read == net::HeadRead::closed || read == net::HeadRead::cut;
    // A pooled connection may have died while it was idle. Nothing was answered, so nothing was seen of the request.
    if (broken && connection.reused && attempt == 0 && !connection.reader->received_anything()) continue;
    if (read == net::HeadRead::bad) {
      log::error("an upstream does not speak HTTP",
                 {{"deployment", served.name}, {"reason", std::string(fault.reason)}});
      co_await failed(502, "the model's server failed", "upstream_bad_head");
    } else if (broken) {
      co_await failed(502, "the model's server closed the connection", "upstream_reset");
    } else {
      co_await failed(504, "the model's server took too long", "upstream_timeout");
    }
    co_return;
  }

  const HangupLink link(socket_.watched(), connection.socket->watched());
  bool reusable = answer_head.keep_alive;
  if (answer_head.status != 200) {
    const auto mapped = map_upstream_status(answer_head.status);
    co_await failed(mapped.status, mapped.message, mapped.reason);
    co_return;
  }
  const auto type = answer_head.find("content-type");
  if (input.stream && type.starts_with("text/event-stream")) {
    co_await relay_stream(connection, upstream, input.model, reusable);
  } else {
    std::string storage;
    auto content = co_await connection.reader->whole_body(storage, upstream.max_response_bytes,
                                                          deadline(upstream.first_byte_timeout));
    upstream_time_ = shared.clock.tick() - started;
    if (!content) {
      if (socket_.watched().hung_up()) {
        keep_alive_ = false;
        (void)record(499, "error", "client_gone");
      } else {
        co_await failed(content.error().code == Errc::deadline ? 504 : 502,
                        "the model's server did not finish its answer", "upstream_cut");
      }
      co_return;
    }
    if (!type.starts_with("application/json")) {
      co_await failed(502, "the model's server answered in another format", "upstream_content_type");
      co_return;
    }
    Result<std::string> renamed = fail(Errc::exhausted, "");
    const auto rename = [&] { renamed = rewrite_openai_answer(*content, input.model); };
    if (content->size() > large_body)
      (void)co_await shared.compute.run(worker_.loop(), rename);
    else
      rename();
    if (!renamed) {
      const auto code = renamed.error().code;
      if (code == Errc::exhausted)
        co_await failed(503, "too much work is waiting; try again later", "compute_queue_full");
      else
        co_await failed(502, "the model's server failed",
                        code == Errc::corrupt ? "upstream_bad_json" : "upstream_failed");
      co_return;
    }
    co_await answer({.body = *renamed});
  }
  if (reusable && connection.reader->body_done() && !connection.socket->watched().hung_up())
    worker_.give_back(upstream, std::move(connection));
}

// Event by event: whatever line endings and chunks the upstream uses, the caller gets whole events in one form. What
// the caller has not read yet holds the upstream back, because nothing is read before it is written.
net::Task<void> Session::relay_stream(UpstreamConnection& connection, const Upstream& upstream, std::string_view model,
                                      bool& reusable) {
  auto& shared = worker_.shared();
  const Tick started = shared.clock.tick();
  const bool chunked = head_.minor_version == 1;
  if (!chunked) keep_alive_ = false;
  write_head({.content_type = "text/event-stream"}, chunked);
  net::SseParser parser;
  net::SseEvent event;
  std::string text;
  bool done = false, cut = false;
  const auto send = [&](bool final) {
    if (chunked && !text.empty()) {
      out_ += fmt::format("{:x}\r\n", text.size());
      out_ += text;
      out_ += "\r\n";
    } else {
      out_ += text;
    }
    if (chunked && final) out_ += "0\r\n\r\n";
    text.clear();
    bytes_out_ += out_.size();
    return socket_.write(as_bytes(out_), {}, final ? answer_deadline() : deadline(shared.config.body_timeout));
  };
  while (!done) {
    auto piece = co_await connection.reader->body_piece(deadline(upstream.idle_timeout));
    if (!piece) cut = true;
    if (!piece || piece->empty()) break;
    auto rest = *piece;
    while (!done && !cut && parser.feed(rest, event)) {
      done = event.data == "[DONE]";
      if (!done) {
        auto renamed = rewrite_openai_answer(event.data, model);
        if (!renamed) {
          cut = true;
          break;
        }
        event.data = std::move(*renamed);
      }
      append_event(text, event);
    }
    if (cut || parser.broken()) {
      cut = true;
      break;
    }
    if (done || (text.empty() && out_.empty())) continue;
    auto sent = co_await send(false);
    out_.clear();
    if (!sent) {
      keep_alive_ = reusable = false;
      upstream_time_ = shared.clock.tick() - started;
      answered_ = true;
      (void)record(499, "error", "client_gone");
      co_return;
    }
  }
  upstream_time_ = shared.clock.tick() - started;
  answered_ = true;
  if (socket_.watched().hung_up() && cut) {
    keep_alive_ = reusable = false;
    (void)record(499, "error", "client_gone");
    co_return;
  }
  if (cut || parser.pending()) {
    // The answer began with 200; that it is not whole can only be said inside of it.
    reusable = false;
    append_event(
        text,
        {.event = "", .data = write_openai_error(502, "the model's server did not finish its answer", "upstream_cut")});
    shared.metrics
        .counter("hauberk_upstream_errors_total", "Failures of upstreams.",
                 {{"deployment", served_->name}, {"reason", "upstream_cut"}})
        .add();
    if (!record(502, "error", "upstream_cut")) keep_alive_ = false;
  } else {
    if (!done) append_event(text, {.event = "", .data = "[DONE]"});
    // What follows [DONE] (the end of the chunked coding) is read, so that the connection can be used again.
    if (done)
      while (reusable && !connection.reader->body_done()) {
        auto rest = co_await connection.reader->body_piece(deadline(std::chrono::seconds(1)));
        if (!rest)
          reusable = false;
        else if (rest->empty())
          break;
      }
    if (!record(200, "ok", "")) {
      keep_alive_ = false;
      co_return;  // not recorded, not finished: the caller sees a stream without its end
    }
  }
  auto sent = co_await send(true);
  out_.clear();
  if (!sent) keep_alive_ = false;
}

std::string Session::error_body(int status, std::string_view message, std::string_view code) const {
  return route_.surface == Surface::openai ? write_openai_error(status, message, code) : write_v2_error(message);
}

net::Task<void> Session::refuse(int status, std::string_view message, std::string_view reason) {
  std::string body = error_body(status, message, reason);
  Verdict verdict{.guard = "gateway", .action = VerdictAction::block, .reason = reason};
  if (status < 500)
    exchange_.verdicts.push_back(std::move(verdict));
  else
    exchange_.verdicts.push_back({.guard = "gateway", .action = VerdictAction::flag, .reason = reason});
  Answer out{.status = status, .body = body};
  if (status == 503) out.retry_after = std::chrono::seconds(1);
  co_await answer(out);
}

net::Task<void> Session::refuse_by_verdict() {
  const auto& verdict = exchange_.verdicts.back();
  const int status = http_status(verdict.code);
  std::string body = error_body(status, verdict.message, verdict.reason);
  // A stranger's body is not read: the connection ends with the answer if there is one to come.
  co_await answer({.status = status, .body = body, .retry_after = verdict.retry_after});
}

void Session::write_head(const Answer& answer, bool chunked) {
  out_.clear();
  if (!reader_.body_done() || worker_.shared().draining.load(std::memory_order_relaxed)) keep_alive_ = false;
  append_all(out_, "HTTP/1.1 ", answer.status, " ", net::status_text(answer.status), "\r\nDate: ", worker_.http_date(),
             "\r\nServer: hauberk\r\nContent-Type: ", answer.content_type, "\r\nx-request-id: ", exchange_.id,
             "\r\ntraceparent: ", exchange_.trace_parent, "\r\n");
  if (answer.content_type == "text/event-stream")
    out_ += chunked ? "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n" : "Cache-Control: no-cache\r\n";
  else
    append_all(out_, "Content-Length: ", answer.body.size(), "\r\n");
  if (answer.v2_json_size) append_all(out_, "Inference-Header-Content-Length: ", *answer.v2_json_size, "\r\n");
  if (answer.status == 401) out_ += "WWW-Authenticate: Bearer\r\n";
  if (!answer.allow.empty()) append_all(out_, "Allow: ", answer.allow, "\r\n");
  if (answer.retry_after) {
    const auto nanoseconds = std::max<std::int64_t>(0, answer.retry_after->count());
    append_all(out_, "Retry-After: ", (nanoseconds + 999'999'999) / 1'000'000'000,
               "\r\nretry-after-ms: ", (nanoseconds + 999'999) / 1'000'000, "\r\n");
  }
  for (const auto& [name, value] : exchange_.limit_headers) append_all(out_, name, ": ", value, "\r\n");
  if (!keep_alive_)
    out_ += "Connection: close\r\n";
  else if (head_.minor_version == 0)
    out_ += "Connection: keep-alive\r\n";
  out_ += "\r\n";
}

net::Task<void> Session::answer(Answer answer) {
  const auto outcome = [&]() -> std::string_view {
    if (answer.status < 400) return "ok";
    if (answer.status >= 500) return "error";
    return answer.status == 429 ? "throttled" : "blocked";
  }();
  const std::string_view reason =
      exchange_.verdicts.empty() || answer.status < 400 ? std::string_view() : exchange_.verdicts.back().reason;
  std::string replacement;
  if (!record(answer.status, outcome, reason)) {
    // Nothing leaves the house that was not recorded.
    replacement = error_body(503, "requests cannot be recorded at the moment; try again later", "ledger");
    answer = {.status = 503, .body = replacement, .retry_after = std::chrono::seconds(1)};
  }
  write_head(answer, false);
  bytes_out_ += out_.size() + answer.body.size();
  answered_ = true;
  auto sent = co_await socket_.write(as_bytes(out_), as_bytes(answer.body), answer_deadline());
  if (!sent) keep_alive_ = false;
}

bool Session::record(int status, std::string_view outcome, std::string_view reason) {
  if (recorded_) return true;
  recorded_ = true;
  auto& shared = worker_.shared();
  Event event;
  event.time = exchange_.received;
  event.kind = "request";
  event.id = exchange_.id;
  event.trace = exchange_.trace_parent.substr(3, 32);
  event.principal = exchange_.principal.subject;
  event.token_id = exchange_.principal.token_id;
  event.target = served_ != nullptr ? served_->name : std::string();
  event.operation = name(exchange_.operation);
  event.artifact = exchange_.artifact;
  event.outcome = outcome;
  event.reason = reason;
  event.status = status;
  event.total = shared.clock.tick() - began_;
  event.upstream = upstream_time_;
  event.bytes_in = exchange_.body_bytes;
  event.bytes_out = bytes_out_;
  event.verdicts = std::move(exchange_.verdicts);
  exchange_.verdicts.clear();
  if (served_ != nullptr)
    served_->metrics->record(exchange_.operation, status, seconds(event.total), seconds(event.upstream));
  else
    shared.metrics
        .counter("hauberk_requests_total", "Requests by deployment, operation and class of status.",
                 {{"deployment", ""},
                  {"operation", std::string(name(exchange_.operation))},
                  {"code", fmt::format("{}xx", status / 100)}})
        .add();
  return shared.ledger.append(event).has_value();
}

}  // namespace hauberk::gateway
