// Session: one client connection, from the first head to the last byte; one request at a time, each an Exchange. See
// docs/life_of_a_request.md. Belongs to its worker's thread.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "core/event.h"
#include "core/exchange.h"
#include "gateway/router.h"
#include "gateway/worker.h"
#include "net/http_message.h"

namespace hauberk::gateway {

class Session {
 public:
  Session(Worker& worker, net::Socket& socket, std::string peer);
  ~Session();

  net::Task<void> run();
  bool idle() const { return idle_; }
  void cancel() { socket_.watched().cancel(); }

 private:
  // What an answer needs beside its body.
  struct Answer {
    int status = 200;
    std::string_view content_type = "application/json";
    std::string_view body;
    std::optional<std::size_t> v2_json_size;
    std::optional<Duration> retry_after;
    std::string_view allow;
  };

  net::Task<void> handle();
  net::Task<void> handle_openai();
  net::Task<void> handle_v2();
  net::Task<void> proxy(const ServedDeployment& served, const TextInput& input);
  net::Task<void> relay_stream(UpstreamConnection& connection, const Upstream& upstream, std::string_view model,
                               bool& reusable);
  net::Task<void> infer(const ServedDeployment& served);

  void begin_exchange();
  bool enter_deployment(std::string_view name);
  bool inspect(const guard::Chain& chain, guard::Needs known);
  net::Task<bool> read_body();

  net::Task<void> answer(Answer answer);
  net::Task<void> refuse(int status, std::string_view message, std::string_view reason);
  net::Task<void> refuse_by_verdict();
  std::string error_body(int status, std::string_view message, std::string_view code) const;
  void write_head(const Answer& answer, bool chunked);
  // The event goes to the ledger before the last byte goes out. False: it could not be recorded.
  bool record(int status, std::string_view outcome, std::string_view reason);

  // Nothing that a request waits for goes beyond its total. Its answer alone does: it is what tells of the end.
  Tick deadline(Duration from_now) const { return std::min(worker_.loop().now() + from_now, total_until_); }
  Tick answer_deadline() const { return worker_.loop().now() + worker_.shared().config.body_timeout; }

  Worker& worker_;
  net::Socket& socket_;
  const std::string peer_;
  net::MessageReader reader_;
  bool idle_ = true;
  bool keep_alive_ = true;

  // of the request in hand
  std::shared_ptr<const Snapshot> snapshot_;
  const ServedDeployment* served_ = nullptr;
  net::HttpHead head_;
  Route route_;
  Exchange exchange_;
  std::size_t next_guard_ = 0;
  std::string_view body_;
  std::string body_storage_;
  std::string out_;
  Tick began_{};
  Tick total_until_ = Tick::max();
  Duration upstream_time_{};
  std::uint64_t bytes_out_ = 0;
  bool recorded_ = false;
  bool answered_ = false;
};

}  // namespace hauberk::gateway
