#include "scan/budget.h"

namespace hauberk::scan {

bool Budget::exhaust(std::string_view limit) {
  if (exhausted_.empty()) exhausted_ = limit;
  return false;
}

bool Budget::check_time() {
  if (exhausted()) return false;
  if (!out_of_time_) return true;
  const auto limit = out_of_time_();
  return limit.empty() || exhaust(limit);
}

bool Budget::spend(std::uint64_t& used, std::uint64_t count, std::uint64_t limit, std::string_view what) {
  if (exhausted()) return false;
  if (count > limit || used > limit - count) return exhaust(what);
  used += count;
  return check_time();
}

}  // namespace hauberk::scan
