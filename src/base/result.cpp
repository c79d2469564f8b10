#include "base/result.h"

namespace hauberk {

Error Error::in(std::string_view where) && {
  context = context.empty() ? std::string(where) : std::string(where) + ": " + context;
  return std::move(*this);
}

std::string Error::text() const { return context.empty() ? message : context + ": " + message; }

std::string_view name(Errc code) {
  switch (code) {
    case Errc::invalid:
      return "invalid";
    case Errc::not_found:
      return "not_found";
    case Errc::exists:
      return "exists";
    case Errc::denied:
      return "denied";
    case Errc::no_grant:
      return "no_grant";
    case Errc::unauthenticated:
      return "unauthenticated";
    case Errc::exhausted:
      return "exhausted";
    case Errc::precondition:
      return "precondition";
    case Errc::unavailable:
      return "unavailable";
    case Errc::deadline:
      return "deadline";
    case Errc::corrupt:
      return "corrupt";
    case Errc::unsupported:
      return "unsupported";
    case Errc::internal:
      return "internal";
  }
  return "internal";
}

int http_status(Errc code) {
  switch (code) {
    case Errc::invalid:
      return 400;
    case Errc::not_found:
      return 404;
    case Errc::exists:
      return 409;
    case Errc::denied:
    case Errc::no_grant:
      return 403;
    case Errc::unauthenticated:
      return 401;
    case Errc::exhausted:
      return 429;
    case Errc::precondition:
      return 412;
    case Errc::unavailable:
      return 503;
    case Errc::deadline:
      return 504;
    case Errc::corrupt:
      return 500;
    case Errc::unsupported:
      return 501;
    case Errc::internal:
      return 500;
  }
  return 500;
}

int exit_code(Errc code) {
  switch (code) {
    case Errc::denied:
    case Errc::no_grant:
    case Errc::unauthenticated:
    case Errc::precondition:
      return 1;
    case Errc::invalid:
    case Errc::not_found:
    case Errc::exists:
    case Errc::unsupported:
      return 2;
    case Errc::exhausted:
    case Errc::unavailable:
    case Errc::deadline:
    case Errc::corrupt:
    case Errc::internal:
      return 3;
  }
  return 3;
}

}  // namespace hauberk
