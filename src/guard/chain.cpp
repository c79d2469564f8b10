#include "guard/chain.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/nearest.h"
#include "guard/guards.h"

namespace hauberk::guard {
namespace {

// The default order, and why:
constexpr std::string_view default_order[] = {
    "authn",       // who: strangers cost nothing more
    "authz",       // may they: before anything is counted on their account
    "rate_limit",  // how often: before the work of reading a body
    "shape",       // is it well-formed: needs the parsed input, so it comes last
};

struct Kind {
  std::string_view name;
  std::string_view help;
  const FieldList* (*fields)();  // null: no settings
};
constexpr Kind kinds[] = {
    {"authn", "who asks: an API token of this environment", nullptr},
    {"authz", "may they: a grant for the operation on the deployment", nullptr},
    {"rate_limit", "how often: requests per token and deployment",
     [] { return static_cast<const FieldList*>(&RateLimitConfig::fields()); }},
    {"shape", "is it well-formed: tensors, parameters, lengths",
     [] { return static_cast<const FieldList*>(&ShapeConfig::fields()); }},
    {"public", "in the place of authn: callers without a token are let in, and authz is left out", nullptr},
};

class Open final : public Guard {
 public:
  std::string_view name() const override { return "public"; }
  Needs needs() const override { return Needs::head; }
  Answer inspect(const Exchange&, const GuardContext&) const override { return pass("public"); }
};

FieldError wrong(std::string pointer, std::string message, bool at_key = false) {
  return {std::move(pointer), std::move(message), {}, at_key};
}

// One item of the list, taken apart: a name, or an object of one member.
struct Item {
  std::string name;
  json::Value config = json::Value::object();
  std::string pointer;
  bool enforced = true;
};

std::expected<Item, FieldErrors> read_item(const json::Value& value, const std::string& pointer) {
  Item item{.pointer = pointer};
  if (const auto* name = value.as_string()) {
    item.name = *name;
  } else if (const auto* object = value.as_object(); object != nullptr && object->size() == 1) {
    item.name = object->front().first;
    item.pointer = child_pointer(pointer, item.name);
    item.config = object->front().second;
    if (item.config.is_null()) item.config = json::Value::object();
  } else {
    return std::unexpected(FieldErrors{wrong(
        pointer, "expected a guard: its name, or its name with settings, such as {rate_limit: {per_minute: 60}}")});
  }
  if (std::ranges::none_of(kinds, [&](const Kind& kind) { return kind.name == item.name; })) {
    std::vector<std::string_view> names;
    for (const auto& kind : kinds) names.push_back(kind.name);
    const auto near = nearest(item.name, names);
    constexpr std::size_t longest_shown = 20;  // what is longer may be a secret in the wrong place
    return std::unexpected(
        FieldErrors{wrong(item.pointer,
                          item.name.size() > longest_shown
                              ? "there is no guard of this name"
                              : fmt::format("there is no guard '{}'{}", item.name,
                                            near ? fmt::format("; did you mean '{}'?", *near) : std::string()),
                          true)});
  }
  if (auto* mode = item.config.find("mode")) {
    const auto* text = mode->as_string();
    if (text == nullptr || (*text != "enforce" && *text != "shadow"))
      return std::unexpected(FieldErrors{wrong(child_pointer(item.pointer, "mode"), "expected enforce or shadow")});
    item.enforced = *text == "enforce";
    item.config.erase("mode");
  }
  return item;
}

std::expected<std::unique_ptr<Guard>, FieldErrors> make(const Item& item, const ChainContext& context) {
  if (item.name == "rate_limit") {
    const auto config = parse_fields<RateLimitConfig>(item.config, item.pointer);
    if (!config) return std::unexpected(config.error());
    return make_rate_limit(*config, context.limiter);
  }
  if (item.name == "shape") {
    const auto config = parse_fields<ShapeConfig>(item.config, item.pointer);
    if (!config) return std::unexpected(config.error());
    return make_shape(*config, context.model);
  }
  if (const auto* object = item.config.as_object(); item.name != "public" && (object == nullptr || !object->empty()))
    return std::unexpected(FieldErrors{wrong(item.pointer, fmt::format("{} has no settings but mode", item.name))});
  if (item.name == "authn") return make_authn();
  if (item.name == "authz") return make_authz();
  return std::make_unique<Open>();
}

}  // namespace

bool Chain::inspect(Exchange& exchange, Needs known, const GuardContext& context, std::size_t& next) const {
  for (; next < links_.size(); ++next) {
    const auto& [guard, enforced] = links_[next];
    if (guard->needs() > known) return true;
    auto answer = guard->inspect(exchange, context);
    if (answer.principal) exchange.principal = std::move(*answer.principal);
    if (enforced)
      for (auto& header : answer.headers) exchange.limit_headers.push_back(std::move(header));
    if (answer.verdict.action == VerdictAction::pass) continue;
    answer.verdict.enforced = enforced;
    const bool stops =
        enforced && (answer.verdict.action == VerdictAction::block || answer.verdict.action == VerdictAction::throttle);
    exchange.verdicts.push_back(std::move(answer.verdict));
    if (stops) return false;
  }
  return true;
}

bool Chain::has(std::string_view guard) const {
  return std::ranges::any_of(links_, [&](const Link& link) { return link.guard->name() == guard && link.enforced; });
}

std::expected<Chain, FieldErrors> build_chain(const json::Value& list, const std::string& pointer,
                                              const ChainContext& context) {
  json::Value fallback;
  if (list.is_null())
    for (const auto name : default_order) fallback.push(name);
  const auto* items = list.is_null() ? fallback.as_array() : list.as_array();
  if (items == nullptr) return std::unexpected(FieldErrors{wrong(pointer, "expected a list of guards")});
  Chain chain;
  FieldErrors errors;
  const auto add = [&](FieldErrors more) { errors.insert(errors.end(), more.begin(), more.end()); };
  std::vector<std::string> names;
  const auto listed = [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
  for (std::size_t i = 0; i < items->size(); ++i) {
    const auto place = child_pointer(pointer, i);
    auto item = read_item((*items)[i], place);
    if (!item) {
      add(std::move(item).error());
      continue;
    }
    if (listed(item->name)) add({wrong(place, fmt::format("{} is in the list twice", item->name))});
    names.push_back(item->name);
    auto guard = make(*item, context);
    if (!guard)
      add(std::move(guard).error());
    else
      chain.links_.push_back({std::move(*guard), item->enforced});
  }
  if (errors.empty()) {
    const bool open = !names.empty() && names.front() == "public";
    const bool authenticated = !names.empty() && names.front() == "authn" && chain.links_.front().enforced;
    if (!open && !authenticated)
      add({wrong(pointer,
                 "the first guard must be authn (enforced), or public if callers without a token shall be let in")});
    if (open && (listed("authn") || listed("authz"))) add({wrong(pointer, "public excludes authn and authz")});
    if (authenticated && !listed("authz"))
      add({wrong(pointer, "authz is missing: without it every token may use every deployment")});
  }
  if (!errors.empty()) return std::unexpected(std::move(errors));
  return chain;
}

json::Value chain_schema() {
  json::Value options = json::Value::array();
  for (const auto& kind : kinds) {
    options.push(json::Value().set("const", kind.name).set("description", kind.help));
    auto settings = kind.fields != nullptr ? json_schema(*kind.fields())
                                           : json::Value()
                                                 .set("type", "object")
                                                 .set("properties", json::Value::object())
                                                 .set("additionalProperties", false);
    if (auto* properties = settings.find("properties"))
      properties->set(
          "mode",
          json::Value().set("enum", json::Value::array().push("enforce").push("shadow")).set("default", "enforce"));
    options.push(json::Value()
                     .set("type", "object")
                     .set("properties", json::Value().set(kind.name, std::move(settings)))
                     .set("additionalProperties", false)
                     .set("minProperties", 1));
  }
  return json::Value().set("type", "array").set("items", json::Value().set("anyOf", std::move(options)));
}

std::string chain_reference() {
  std::string out =
      "A list, run in its order; each entry is a name, or a name with settings. Every guard takes `mode: shadow`: "
      "recorded, not obeyed.\n\n";
  for (const auto& kind : kinds) {
    out += fmt::format("### `{}`\n\n{}.\n\n", kind.name, kind.help);
    if (kind.fields != nullptr) out += reference_markdown(*kind.fields(), kind.name, 4) + "\n";
  }
  return out;
}

}  // namespace hauberk::guard
