#include "passes/probe.hpp"

#include <array>
#include <charconv>
#include <utility>

#include "core/error.hpp"
#include "passes/roles.hpp"

namespace relaxon {
namespace {

using K = Probe::Kind;

constexpr std::array<std::pair<K, char>, 3> row_values{{{K::state, 's'}, {K::field, 'h'}, {K::judged, 'f'}}};
constexpr std::array<std::pair<K, std::string_view>, 3> edge_values{
    {{K::error, "error/"}, {K::correlation, "S/"}, {K::weight, "weight/"}}};

constexpr std::string_view every_suffix = ":every";

[[noreturn]] void refuse(std::string_view text) {
  fail(
      "probe {}: expected VALUE[@PHASE][:every] with a value such as s1, h1, f1, error/1-0, S/1-0, "
      "weight/1-0 or "
      "scores",
      text);
}

/// The number that all of `text` is; nullopt if it is none, or written otherwise than usual.
std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size() && value >= 0;
  return whole && fmt::format("{}", value) == text ? std::optional(value) : std::nullopt;
}

/// A value without phase and iterations; nullopt if there is none of that name.
std::optional<Probe> value_named(std::string_view text) {
  Probe probe;
  if (text == "scores") {
    probe.kind = K::scores;
    return probe;
  }
  for (const auto& [kind, prefix] : edge_values) {
    if (!text.starts_with(prefix)) continue;
    const auto role = role_named(fmt::format("weight/{}", text.substr(prefix.size())));
    if (!role || text.substr(prefix.size()) != to_string(role->edge)) return std::nullopt;
    probe.kind = kind;
    probe.edge = role->edge;
    return probe;
  }
  for (const auto& [kind, letter] : row_values) {
    if (!text.starts_with(letter)) continue;
    const auto row = number(text.substr(1));
    if (!row) return std::nullopt;
    probe.kind = kind;
    probe.row = *row;
    return probe;
  }
  return std::nullopt;
}

bool of_phases(K kind) { return kind == K::state || kind == K::field; }

std::string value_text(const Probe& probe) {
  for (const auto& [kind, letter] : row_values) {
    if (kind == probe.kind) return fmt::format("{}{}", letter, probe.row);
  }
  for (const auto& [kind, prefix] : edge_values) {
    if (kind == probe.kind) return fmt::format("{}{}", prefix, to_string(probe.edge));
  }
  return "scores";
}

void validate_row(const Probe& probe, const Network& network, const std::string& name) {
  const int output = network.map.output();
  const int last = probe.kind == K::state ? output - 1 : output;
  if (last < 1) fail("probe {}: the network has no hidden row", name);
  if (probe.row < 1 || probe.row > last) fail("probe {}: expected a row 1 .. {}", name, last);
}

void validate_edge(const Probe& probe, const Network& network, const std::string& name) {
  const auto found = network.map.edges().find(probe.edge);
  if (found == network.map.edges().end()) fail("probe {}: the edge is not in the map", name);
  if (!is_trainable(found->second.module)) {
    fail("probe {}: {} is not trainable", name, relaxon::name_of(found->second.module));
  }
}

}  // namespace

std::string to_string(const Probe& probe) {
  std::string text = value_text(probe);
  if (probe.phase) text += fmt::format("@{}", *probe.phase);
  return probe.every ? text.append(every_suffix) : text;
}

Probe parse_probe(std::string_view text) {
  std::string_view rest = text;
  const bool every = rest.ends_with(every_suffix);
  if (every) rest.remove_suffix(every_suffix.size());
  const std::size_t at = rest.find('@');
  auto probe = value_named(rest.substr(0, at));
  if (!probe) refuse(text);
  probe->every = every;
  if (at != rest.npos) {
    probe->phase = number(rest.substr(at + 1));
    if (!probe->phase) refuse(text);
  }
  if ((every || probe->phase) && !of_phases(probe->kind))
    fail("probe {}: only s and h are values of phases", text);
  return *probe;
}

void validate(const Probe& probe, const Network& network, bool evaluation) {
  const std::string name = to_string(probe);
  const bool training_only = probe.kind == K::judged || probe.kind == K::error ||
                             probe.kind == K::correlation || probe.kind == K::weight;
  if (evaluation && training_only) fail("probe {}: a value of training, not of the evaluation", name);
  if (!evaluation && probe.kind == K::scores)
    fail("probe {}: a value of the evaluation, not of training", name);
  if (of_phases(probe.kind) || probe.kind == K::judged) validate_row(probe, network, name);
  if (training_only && probe.kind != K::judged) validate_edge(probe, network, name);
  if (!of_phases(probe.kind)) return;
  const std::size_t phases = evaluation ? network.schedule.evaluate.size() : network.schedule.phases().size();
  if (phases == 0) fail("probe {}: there are no phases", name);
  if (probe.phase && static_cast<std::size_t>(*probe.phase) >= phases)
    fail("probe {}: expected a phase 0 .. {}", name, phases - 1);
}

std::vector<Probe> all_probes(const Network& network, bool evaluation) {
  std::vector<Probe> probes;
  const bool phases = evaluation ? !network.schedule.evaluate.empty() : !network.schedule.phases().empty();
  for (int row = 1; row <= network.map.output(); ++row) {
    for (const bool every : {false, true}) {
      if (phases && row < network.map.output())
        probes.push_back({.kind = K::state, .row = row, .every = every});
      if (phases) probes.push_back({.kind = K::field, .row = row, .every = every});
    }
    if (!evaluation) probes.push_back({.kind = K::judged, .row = row});
  }
  if (evaluation) probes.push_back({.kind = K::scores});
  for (const EdgeId edge : network.map.trainable()) {
    for (const K kind : {K::error, K::correlation, K::weight}) {
      if (!evaluation) probes.push_back({.kind = kind, .edge = edge});
    }
  }
  return probes;
}

bool has_batch(const Probe& probe) {
  return probe.kind != Probe::Kind::weight && probe.kind != Probe::Kind::correlation;
}

}  // namespace relaxon
