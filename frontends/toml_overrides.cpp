#include "frontends/toml_overrides.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "frontends/toml_reader.hpp"

namespace relaxon {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  return begin == std::string_view::npos ? "" : text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

std::vector<std::string_view> parts_of(std::string_view key) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= key.size();) {
    const std::size_t end = std::min(key.find('.', begin), key.size());
    parts.push_back(key.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// `parts[0].parts[1]... = value` as a document of its own.
toml::table parse_assignment(std::span<const std::string_view> parts, std::string_view value,
                             const std::string& name) {
  std::string key;
  for (const std::string_view part : parts) key += (key.empty() ? "" : ".") + toml_string(part);
  try {
    return parse_toml(fmt::format("{} = {}", key, value), name);
  } catch (const Error&) {
    // What starts like a list, a table or a string was meant as one.
    if (value.find_first_of("[{\"'") == 0) fail("{}: expected a TOML value after =", name);
  }
  return parse_toml(fmt::format("{} = {}", key, toml_string(value)), name);
}

/// The table of the edge called "1-0".
toml::table& edge_table(toml::table& document, std::string_view wanted, const std::string& name) {
  std::string edges;
  if (toml::array* list = document["edge"].as_array()) {
    for (toml::node& edge : *list) {
      if (!edge.is_table()) continue;
      const auto receiver = edge.at_path("receiver").value_exact<std::int64_t>();
      const auto sender = edge.at_path("sender").value_exact<std::int64_t>();
      if (!receiver || !sender) continue;
      const std::string id = fmt::format("{}-{}", *receiver, *sender);
      if (id == wanted) return *edge.as_table();
      edges += (edges.empty() ? "" : ", ") + id;
    }
  }
  fail("{}: edge.{}: expected one of the edges {}", name, wanted, edges);
}

}  // namespace

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

void apply_override(toml::table& document, std::string_view assignment) {
  const std::string name = command_line_name(assignment);
  const std::size_t equals = assignment.find('=');
  const std::string_view key = trimmed(assignment.substr(0, equals));
  const std::vector<std::string_view> parts = parts_of(key);
  const bool named = std::ranges::none_of(parts, [](std::string_view part) { return part.empty(); });
  if (equals == std::string_view::npos || !named ||
      assignment.find_first_of("\r\n") != std::string_view::npos) {
    fail("{}: expected KEY=VALUE such as network.seed=3", name);
  }
  toml::table* table = &document;
  std::span<const std::string_view> rest = parts;
  if (rest[0] == "edge") {
    if (rest.size() < 3) fail("{}: expected a key of one edge, such as edge.1-0.strength", name);
    table = &edge_table(document, rest[1], name);
    rest = rest.subspan(2);
  }
  while (rest.size() > 1) {
    toml::node* inner = table->get(rest[0]);
    if (inner == nullptr) break;
    if (!inner->is_table()) fail("{}: {} is not a table", name, rest[0]);
    table = inner->as_table();
    rest = rest.subspan(1);
  }
  toml::table added = parse_assignment(rest, trimmed(assignment.substr(equals + 1)), name);
  table->insert_or_assign(rest[0], std::move(*added.get(rest[0])));
}

}  // namespace relaxon
