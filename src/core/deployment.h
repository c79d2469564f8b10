// Deployment: a version, or an upstream, in an environment, under a route. A Snapshot of its whole state (weights,
// guard list, thresholds) has one digest; history entries are immutable and rollback moves a pointer.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "core/artifact.h"
#include "core/principal.h"

namespace hauberk {

// The whole state that a gateway serves under one name.
struct DeploymentSpec {
  std::string model;          // registry name; empty for an upstream
  std::uint32_t version = 0;  // of that model
  Digest artifact;            // manifest digest of that version; zero for an upstream
  json::Value config;         // the deployment's section of the configuration: guards, limits, upstream (no secrets)

  json::Value to_json() const;
  static Result<DeploymentSpec> from_json(const json::Value& value);
  Digest digest() const;
  bool operator==(const DeploymentSpec&) const = default;
};

struct DeploymentEntry {
  std::uint64_t id = 0;  // grows by one in each deployment
  DeploymentSpec spec;
  Instant time;
  std::string by;      // subject
  std::string reason;  // "promote", "rollback", "configuration"
};

struct Deployment {
  Environment environment = Environment::dev;
  std::string name;
  std::uint64_t current = 0;             // id of the entry that is served
  std::vector<DeploymentEntry> history;  // ascending ids
  const DeploymentEntry* entry() const;  // the current one
};

}  // namespace hauberk
