// JSON of a golden case, read with checks: every error names the key it is about.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace relaxon::golden {

/// A value of a document and the way to it. Valid as long as the document. Every function throws Error if
/// the value isn't what it is asked for.
class JsonValue {
 public:
  explicit JsonValue(const nlohmann::json& root) : node_(&root) {}

  /// A member of an object; null counts as missing.
  JsonValue at(std::string_view key) const;
  std::optional<JsonValue> find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key).has_value(); }
  /// All members of an object, null ones too, as they are written.
  std::vector<std::string> keys() const;
  std::vector<JsonValue> list() const;

  bool is_list() const { return node_->is_array(); }
  bool is_object() const { return node_->is_object(); }
  bool boolean() const;
  double number() const;
  std::vector<double> numbers() const;
  std::string text() const;
  std::int64_t integer(std::int64_t smallest = 0,
                       std::int64_t largest = std::numeric_limits<std::int64_t>::max()) const;

  /// 0 .. 2^64 - 1.
  std::uint64_t seed() const;

  bool flag(std::string_view key) const { return has(key) && at(key).boolean(); }
  [[noreturn]] void refuse(std::string_view expected) const;

 private:
  JsonValue(const nlohmann::json& node, std::string where) : node_(&node), where_(std::move(where)) {}

  const nlohmann::json* node_;
  std::string where_;  // "edges[2].args"; empty for the document
};

}  // namespace relaxon::golden
