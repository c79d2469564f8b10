#include "core/deployment.h"

#include <algorithm>

namespace hauberk {
namespace {

// Members sorted by key, at every depth: two spellings of one configuration are one state.
json::Value sorted(const json::Value& value) {
  if (const auto* list = value.as_array()) {
    auto copy = json::Value::array();
    for (const auto& item : *list) copy.push(sorted(item));
    return copy;
  }
  const auto* object = value.as_object();
  if (object == nullptr) return value;
  json::Object members;
  members.reserve(object->size());
  for (const auto& [key, member] : *object) members.emplace_back(key, sorted(member));
  std::ranges::sort(members, {}, &json::Member::first);
  return json::Value(std::move(members));
}

}  // namespace

json::Value DeploymentSpec::to_json() const {
  auto value = json::Value::object();
  value.set("model", model).set("version", version).set("artifact", artifact.text()).set("config", config);
  return value;
}

Result<DeploymentSpec> DeploymentSpec::from_json(const json::Value& value) {
  const auto* object = value.as_object();
  const auto* model = value.find("model");
  const auto* config = value.find("config");
  const auto version = value.int_or("version", -1);
  const auto artifact = Digest::parse(value.text_or("artifact", ""));
  if (object == nullptr || object->size() != 4 || model == nullptr || !model->is_string() || config == nullptr ||
      !artifact || version < 0 || version > UINT32_MAX)
    return fail(Errc::corrupt, "a deployment's state needs exactly model, version, artifact and config", "deployment");
  return DeploymentSpec{*model->as_string(), static_cast<std::uint32_t>(version), *artifact, *config};
}

Digest DeploymentSpec::digest() const { return crypto::sha256(as_bytes(json::write(sorted(to_json())))); }

const DeploymentEntry* Deployment::entry() const {
  const auto found = std::ranges::lower_bound(history, current, {}, &DeploymentEntry::id);
  return found != history.end() && found->id == current ? &*found : nullptr;
}

}  // namespace hauberk
