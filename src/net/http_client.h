// HttpClient: single calls to services of the control plane (timestamp authorities, key stores), by libcurl, which is
// loaded with the first call and not with the program. Not for the gateway's path. TLS is checked against the system's
// authorities or the file given; redirects are not followed; answers are bounded in size and time. Blocks the calling
// thread. Thread safety: any thread. Errors: unavailable (no connection, TLS not trusted, no libcurl), deadline,
// exhausted (answer too long), invalid (a URL that may not be called). A status of 400 and more is an answer.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/time.h"

namespace hauberk::net {

struct HttpCall {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::pair<std::string, Secret>> secret_headers;
  Bytes body;
  Secret secret_body;  // instead of body
  Duration timeout = std::chrono::seconds(30);
  std::size_t most_bytes = 1u << 20;
  std::string authorities;  // file of certificates in PEM; empty: the system's
  // http: is for loopback, and for answers that prove themselves, such as timestamps.
  bool may_be_plain = false;
};

// What came back may be a secret: hand the body to a Secret before anything else.
struct HttpReply {
  int status = 0;
  std::string content_type;
  Bytes body;
};

class HttpClient {
 public:
  virtual ~HttpClient() = default;
  virtual Result<HttpReply> call(const HttpCall& call) = 0;
};
std::unique_ptr<HttpClient> make_http_client();

}  // namespace hauberk::net
