#include "passes/roles.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "core/error.hpp"

namespace relaxon {
namespace {

struct RoleName {
  Role::Kind kind;
  std::string_view name;
  bool has_edge, has_index;
};

using K = Role::Kind;
constexpr std::array<RoleName, 20> role_names{{
    {K::input, "x", false, false},
    {K::label, "y", false, false},
    {K::state, "state", false, true},
    {K::target, "target", false, true},
    {K::gate, "gate", false, false},
    {K::iterations, "iterations", false, true},
    {K::margin, "margin", true, false},
    {K::scalars, "scalars", true, true},
    {K::weight, "weight", true, false},
    {K::moment, "moment", true, true},
    {K::inputs, "inputs", false, false},
    {K::classes, "classes", false, false},
    {K::code, "code", false, false},
    {K::order, "order", false, false},
    {K::steps, "steps", false, false},
    {K::batch, "batch", false, false},
    {K::field, "field", false, true},
    {K::correlation, "S", true, false},
    {K::scores, "scores", false, false},
    {K::hits, "hits", false, false},
}};

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<EdgeId> edge_named(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto receiver = number(text.substr(0, dash));
  const auto sender = number(text.substr(dash + 1));
  if (!receiver || !sender) return std::nullopt;
  return EdgeId{*receiver, *sender};
}

std::vector<std::string_view> parts_of(std::string_view name) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t slash = std::min(name.find('/', at), name.size());
    parts.push_back(name.substr(at, slash - at));
    at = slash + 1;
  }
  return parts;
}

}  // namespace

std::string to_string(const Role& role) {
  for (const RoleName& n : role_names) {
    if (n.kind != role.kind) continue;
    std::string text(n.name);
    if (n.has_edge) text += "/" + to_string(role.edge);
    if (n.has_index) text += fmt::format("/{}", role.index);
    return text;
  }
  internal_error("unknown role {}", static_cast<int>(role.kind));
}

std::optional<Role> role_named(std::string_view name) {
  const std::vector<std::string_view> parts = parts_of(name);
  for (const RoleName& n : role_names) {
    if (n.name != parts[0]) continue;
    const std::size_t expected = 1u + (n.has_edge ? 1u : 0u) + (n.has_index ? 1u : 0u);
    if (parts.size() != expected) return std::nullopt;
    Role role{n.kind, {}, 0};
    if (n.has_edge) {
      const auto edge = edge_named(parts[1]);
      if (!edge) return std::nullopt;
      role.edge = *edge;
    }
    if (n.has_index) {
      const auto index = number(parts.back());
      if (!index) return std::nullopt;
      role.index = *index;
    }
    return role;
  }
  return std::nullopt;
}

}  // namespace relaxon
