// Wiring: the one place where chapters that do not know each other are joined: settings become options of the scanner,
// guards check their part of the configuration, events find their ledger.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "app/command.h"
#include "app/isolate.h"
#include "base/secret_resolver.h"
#include "config/settings.h"
#include "core/event.h"
#include "core/policy.h"
#include "net/vault_client.h"

namespace hauberk::app {

class Workspace;

IsolationOptions isolation_options(const config::Settings& settings);

// Every keeper of secrets that the settings know. Nothing is asked before a secret of it is wanted.
std::unique_ptr<SecretResolver> make_secret_resolver(const config::Settings& settings, Files& files, const Clock& clock,
                                                     Random& random);

std::shared_ptr<net::VaultClient> make_vault_client(const config::Settings& settings);

// How the configuration layer learns about guards.
config::Hooks config_hooks();

// The part of the configuration that belongs to a deployment's state: its section with the guard list in effect, so
// that a rollback brings back thresholds and not only weights. No secrets: references only.
json::Value deployment_section(const config::Settings& settings, std::string_view deployment);

// A policy file (YAML). Errors carry file, line and column.
Result<Policy> read_policy(std::string_view text, const std::string& file);

}  // namespace hauberk::app
