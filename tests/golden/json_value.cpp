#include "tests/golden/json_value.hpp"

#include "core/error.hpp"

namespace relaxon::golden {

using nlohmann::json;

std::optional<JsonValue> JsonValue::find(std::string_view key) const {
  if (!node_->is_object()) refuse("an object");
  const auto found = node_->find(key);
  if (found == node_->end() || found->is_null()) return std::nullopt;
  return JsonValue(*found, where_.empty() ? std::string(key) : fmt::format("{}.{}", where_, key));
}

JsonValue JsonValue::at(std::string_view key) const {
  const auto value = find(key);
  if (!value) fail("key \"{}\" is missing{}", key, where_.empty() ? "" : " in " + where_);
  return *value;
}

std::vector<std::string> JsonValue::keys() const {
  if (!node_->is_object()) refuse("an object");
  std::vector<std::string> names;
  for (const auto& [name, member] : node_->items()) names.push_back(name);
  return names;
}

std::vector<JsonValue> JsonValue::list() const {
  if (!node_->is_array()) refuse("a list");
  std::vector<JsonValue> values;
  for (std::size_t i = 0; i < node_->size(); ++i) {
    values.push_back(JsonValue((*node_)[i], fmt::format("{}[{}]", where_, i)));
  }
  return values;
}

bool JsonValue::boolean() const {
  if (!node_->is_boolean()) refuse("true or false");
  return node_->get<bool>();
}

double JsonValue::number() const {
  if (!node_->is_number()) refuse("a number");
  return node_->get<double>();
}

std::vector<double> JsonValue::numbers() const {
  std::vector<double> values;
  for (const JsonValue& element : list()) values.push_back(element.number());
  return values;
}

std::string JsonValue::text() const {
  if (!node_->is_string()) refuse("a string");
  return node_->get<std::string>();
}

std::int64_t JsonValue::integer(std::int64_t smallest, std::int64_t largest) const {
  const bool too_large =
      node_->is_number_unsigned() && node_->get<std::uint64_t>() > static_cast<std::uint64_t>(largest);
  const bool fits = node_->is_number_integer() && !too_large && node_->get<std::int64_t>() >= smallest &&
                    node_->get<std::int64_t>() <= largest;
  if (!fits) refuse(fmt::format("an integer from {} to {}", smallest, largest));
  return node_->get<std::int64_t>();
}

std::uint64_t JsonValue::seed() const {
  if (!node_->is_number_unsigned()) refuse("an integer from 0 to 2^64 - 1");
  return node_->get<std::uint64_t>();
}

void JsonValue::refuse(std::string_view expected) const {
  constexpr std::size_t longest = 60;
  std::string found = node_->dump(-1, ' ', true, json::error_handler_t::replace);
  if (found.size() > longest) found = found.substr(0, longest) + "...";
  fail("{}: expected {}, got {}", where_.empty() ? "document" : where_, expected, found);
}

}  // namespace relaxon::golden
