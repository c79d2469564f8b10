// SecretResolver: from references to secrets, whatever keeps them. env: and file: are read anew each time; secrets of a
// service are fetched when they are first asked for and kept for `fresh`, so that a reload does not depend on the
// service; refresh() fetches anew those that are older and says whether one changed. While a service is down its
// secrets stay good for `stale`. Blocks while it fetches: for the control thread, never for a gateway's worker.
// Thread safety: any. Errors: as the sources (not_found, denied, unavailable), unsupported for a scheme without one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "base/time.h"

namespace hauberk {

// One kind of service that keeps secrets. `place` is the reference without its scheme.
class SecretSource {
 public:
  virtual ~SecretSource() = default;
  virtual Result<Secret> fetch(std::string_view place) = 0;
};

class SecretResolver {
 public:
  struct Ages {
    Duration fresh = std::chrono::minutes(5);
    Duration stale = std::chrono::hours(1);
  };
  explicit SecretResolver(const Clock& clock) : SecretResolver(clock, Ages{}) {}
  SecretResolver(const Clock& clock, Ages ages) : clock_(clock), ages_(ages) {}

  // Told of each reading of a place, whether it went well or not; never of the value. Set before the first.
  using Observer = std::function<void(const SecretRef& reference, const Status& read)>;
  void observe(Observer observer) { observer_ = std::move(observer); }

  void add(std::string scheme, std::unique_ptr<SecretSource> source);
  Result<std::shared_ptr<const Secret>> resolve(const SecretRef& reference);
  // Of what was resolved before: what is due, or all of it, as when an operator asks for a reload. True if a value is
  // another now.
  enum class Which { due, all };
  bool refresh(Which which = Which::due);

 private:
  struct Kept {
    std::shared_ptr<const Secret> secret;
    Instant fetched;  // when the service last confirmed it
    Instant tried;
  };
  Result<std::shared_ptr<const Secret>> fetch(const SecretRef& reference);
  Result<std::shared_ptr<const Secret>> read(const SecretRef& reference);

  const Clock& clock_;
  const Ages ages_;
  Observer observer_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<SecretSource>, std::less<>> sources_;
  std::map<std::string, Kept> kept_;  // by the reference's text
};

}  // namespace hauberk
