// Access: what a verb or a route asks of whoever uses it. It has no default, so that nothing can be added without
// saying it; the tables of verbs and routes are made of it, and so is docs/reference/access.md. Pure; any thread.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "core/principal.h"

namespace hauberk {

class Access {
 public:
  // Anybody; `why` says what makes that right.
  static constexpr Access anybody(std::string_view why) { return {{}, 0, why}; }
  // Who has the grant for what `about` names: "the model".
  static constexpr Access grant(std::string_view action, std::string_view about) { return {{action}, 1, about}; }
  static constexpr Access either(std::string_view action, std::string_view other, std::string_view about) {
    return {{action, other}, 2, about};
  }
  // Any good token, whatever its grants; `about` says what is shown of what.
  static constexpr Access known(std::string_view about) { return {{}, 0, about, true}; }

  bool for_anybody() const { return count_ == 0 && !known_; }
  std::span<const std::string_view> actions() const { return std::span(actions_).first(count_); }
  std::string_view about() const { return about_; }

  // May the principal do it to the thing of that name?
  bool allows(const Principal& principal, std::string_view name) const;
  // Is there any name for which the principal may? What refuses before anything is looked up.
  bool thinkable(const Principal& principal) const;
  // "read or infer", "any token", "nothing": as people read it.
  std::string text() const;

 private:
  constexpr Access(std::array<std::string_view, 2> actions, std::size_t count, std::string_view about,
                   bool known = false)
      : actions_(actions), count_(count), about_(about), known_(known) {}

  std::array<std::string_view, 2> actions_;
  std::size_t count_;
  std::string_view about_;
  bool known_;
};

}  // namespace hauberk
