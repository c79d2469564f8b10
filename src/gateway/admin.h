// Admin: the operator's listener, apart from the callers': /metrics (Prometheus text), /health/live, /health/ready. It
// has no secrets and no actions, and belongs on loopback or a private network. Its own thread and loop, so that it
// answers when the workers are busy.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "core/access.h"

namespace hauberk::gateway {

// What the admin address answers, all of it by GET.
struct AdminRoute {
  std::string_view path;
  Access access;
};
std::vector<AdminRoute> admin_routes();

class Admin {
 public:
  static Result<std::unique_ptr<Admin>> start(const std::string& host, std::uint16_t port, const Clock& clock,
                                              metrics::Registry& metrics, std::function<bool()> healthy);
  ~Admin();                    // stops and joins
  void set_ready(bool ready);  // any thread
  std::uint16_t port() const;

 private:
  friend std::vector<AdminRoute> admin_routes();
  struct Impl;
  explicit Admin(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hauberk::gateway
