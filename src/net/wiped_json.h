// A JSON value that may hold secrets and is overwritten when it goes, and its text as one.
#pragma once

#include <utility>

#include "base/json.h"
#include "base/secret.h"

namespace hauberk::net {

struct WipedJson {
  json::Value value;
  WipedJson() = default;
  WipedJson(json::Value v) : value(std::move(v)) {}
  WipedJson(WipedJson&&) = default;
  WipedJson& operator=(WipedJson&&) = default;
  ~WipedJson() { value.wipe(); }
  Secret text() const;
};

}  // namespace hauberk::net
