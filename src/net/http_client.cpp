#include "net/http_client.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <string.h>

#include <algorithm>
#include <cstring>

namespace hauberk::net {

// What may look at secrets here: the lines and the body of a request. The library keeps no copy once the call is over.
struct SecretHeader {
  static ByteView body(const Secret& secret) { return secret.reveal(SecretAccess()); }
  static Secret line(const std::string& name, const Secret& value) {
    const auto text = value.reveal_text(SecretAccess());
    Bytes bytes;
    bytes.reserve(name.size() + text.size() + 3);
    for (const std::string_view part : {std::string_view(name), std::string_view(": "), text})
      bytes.insert(bytes.end(), part.begin(), part.end());
    bytes.push_back(0);
    return Secret(std::move(bytes));
  }
};

namespace {

// What of libcurl is used, looked up by name: its dependencies would cost every start of the program some milliseconds.
struct Curl {
  decltype(&::curl_global_init) global_init = nullptr;
  decltype(&::curl_easy_init) easy_init = nullptr;
  decltype(&::curl_easy_setopt) easy_setopt = nullptr;
  decltype(&::curl_easy_perform) easy_perform = nullptr;
  decltype(&::curl_easy_getinfo) easy_getinfo = nullptr;
  decltype(&::curl_easy_strerror) easy_strerror = nullptr;
  decltype(&::curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&::curl_slist_append) slist_append = nullptr;
  decltype(&::curl_slist_free_all) slist_free_all = nullptr;

  // Null if it cannot be had. Stays loaded for good.
  static const Curl* get() {
    static const Curl* const curl = load();
    return curl;
  }

 private:
  static const Curl* load() {
    static Curl curl;
    void* library = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return nullptr;
    const bool complete =
        find(library, "curl_global_init", curl.global_init) && find(library, "curl_easy_init", curl.easy_init) &&
        find(library, "curl_easy_setopt", curl.easy_setopt) && find(library, "curl_easy_perform", curl.easy_perform) &&
        find(library, "curl_easy_getinfo", curl.easy_getinfo) &&
        find(library, "curl_easy_strerror", curl.easy_strerror) &&
        find(library, "curl_easy_cleanup", curl.easy_cleanup) &&
        find(library, "curl_slist_append", curl.slist_append) &&
        find(library, "curl_slist_free_all", curl.slist_free_all);
    return complete && curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? &curl : nullptr;
  }
  template <class Function>
  static bool find(void* library, const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(library, name));
    return function != nullptr;
  }
};

struct Answer {
  Bytes body;
  std::size_t most_bytes = 0;
  bool too_long = false;
};

std::size_t take(char* data, std::size_t size, std::size_t count, void* where) {
  auto& answer = *static_cast<Answer*>(where);
  const auto bytes = size * count;
  if (bytes > answer.most_bytes - answer.body.size()) {
    answer.too_long = true;
    return 0;
  }
  answer.body.insert(answer.body.end(), data, data + bytes);
  return bytes;
}

bool is_loopback(std::string_view url) {
  auto host = url.substr(url.find("://") + 3);
  host = host.substr(0, host.find_first_of("/?#"));
  if (host.find('@') != std::string_view::npos) return false;
  if (host.starts_with("[::1]")) return true;
  host = host.substr(0, host.find(':'));
  return host == "localhost" || host == "127.0.0.1";
}

class CurlClient final : public HttpClient {
 public:
  Result<HttpReply> call(const HttpCall& call) override {
    const bool plain = call.url.starts_with("http://");
    if (!plain && !call.url.starts_with("https://")) return fail(Errc::invalid, "expected a URL of https", call.url);
    if (plain && !call.may_be_plain && !is_loopback(call.url))
      return fail(Errc::invalid, "this service is only called by https, or on this machine", call.url);
    const auto* curl = Curl::get();
    if (curl == nullptr) return fail(Errc::unavailable, "libcurl is not installed: apt-get install libcurl4");
    const std::unique_ptr<CURL, decltype(curl->easy_cleanup)> handle(curl->easy_init(), curl->easy_cleanup);
    if (!handle) return fail(Errc::internal, "no memory for a connection");
    const auto set = [&](CURLoption option, auto value) { curl->easy_setopt(handle.get(), option, value); };

    struct curl_slist* lines = nullptr;
    for (const auto& [name, value] : call.headers) {
      auto* longer = curl->slist_append(lines, fmt::format("{}: {}", name, value).c_str());
      if (longer != nullptr) lines = longer;
    }
    for (const auto& [name, value] : call.secret_headers) {
      const auto line = SecretHeader::line(name, value);
      auto* longer = curl->slist_append(lines, reinterpret_cast<const char*>(SecretHeader::body(line).data()));
      if (longer != nullptr) lines = longer;
    }
    const auto wipe_and_free = [curl](struct curl_slist* list) {
      for (auto* one = list; one != nullptr; one = one->next) ::explicit_bzero(one->data, std::strlen(one->data));
      curl->slist_free_all(list);
    };
    const std::unique_ptr<struct curl_slist, decltype(wipe_and_free)> header_lines(lines, wipe_and_free);

    Answer answer{.body = {}, .most_bytes = call.most_bytes};
    answer.body.reserve(std::min<std::size_t>(call.most_bytes, 64 << 10));  // no copies of a secret left by growth
    set(CURLOPT_URL, call.url.c_str());
    set(CURLOPT_CUSTOMREQUEST, call.method.c_str());
    set(CURLOPT_HTTPHEADER, lines);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(call.timeout).count()));
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(CURLOPT_USERAGENT, "hauberk");
    if (!call.authorities.empty()) set(CURLOPT_CAINFO, call.authorities.c_str());
    set(CURLOPT_WRITEFUNCTION, &take);
    set(CURLOPT_WRITEDATA, &answer);
    if (const ByteView body = call.secret_body.empty() ? ByteView(call.body) : SecretHeader::body(call.secret_body);
        !body.empty()) {
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
      set(CURLOPT_POSTFIELDS, reinterpret_cast<const char*>(body.data()));
    }

    const auto code = curl->easy_perform(handle.get());
    if (answer.too_long)
      return fail(Errc::exhausted, fmt::format("the answer is longer than {} bytes", call.most_bytes), call.url);
    if (code == CURLE_OPERATION_TIMEDOUT)
      return fail(Errc::deadline, fmt::format("no answer within {}", duration_text(call.timeout)), call.url);
    if (code != CURLE_OK) return fail(Errc::unavailable, curl->easy_strerror(code), call.url);
    long status = 0;
    const char* type = nullptr;
    curl->easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
    curl->easy_getinfo(handle.get(), CURLINFO_CONTENT_TYPE, &type);
    return HttpReply{static_cast<int>(status), type != nullptr ? type : "", std::move(answer.body)};
  }
};

}  // namespace

std::unique_ptr<HttpClient> make_http_client() { return std::make_unique<CurlClient>(); }

}  // namespace hauberk::net
