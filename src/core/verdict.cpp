#include "core/verdict.h"

namespace hauberk {

std::string_view name(VerdictAction action) {
  switch (action) {
    case VerdictAction::pass:
      return "pass";
    case VerdictAction::flag:
      return "flag";
    case VerdictAction::rewrite:
      return "rewrite";
    case VerdictAction::throttle:
      return "throttle";
    case VerdictAction::block:
      return "block";
  }
  return "block";
}

}  // namespace hauberk
