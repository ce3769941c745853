#include "frontends/lint/lint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "frontends/lint/facts.hpp"
#include "frontends/lint/rules.hpp"

namespace relaxon {
namespace {

using lint_detail::Facts;
using lint_detail::Report;

constexpr std::array<LintRule, 22> rules{{
    {"never-trains", "training never changes a trainable edge"},
    {"negative-rate", "an edge's rate is negative: every update makes its errors worse"},
    {"unused-optimizer", "an edge that never trains has an optimizer of its own"},
    {"decay-lost", "the decay is below 2^-25: rounding undoes it"},
    {"decay-quantised", "the decay is below 2^-22: it moves a weight by no or a few units in the last place"},
    {"decay-diverges", "the decay makes weights grow or change sign"},
    {"label-in-free-phase", "the read-out learns only from states that hold the label"},
    {"label-in-evaluation", "an evaluation phase keeps messages of a label that isn't there"},
    {"label-in-update", "the fields that updates judge hold the label's message"},
    {"empty-phase", "a phase that something depends on has 0 iterations"},
    {"unused-edge", "no phase that runs keeps an edge's messages"},
    {"unreached-row", "no message of the input reaches a row"},
    {"unread-row", "no message of a row reaches the read-out"},
    {"threshold-never-met", "a threshold below all fields: no sample ever errs"},
    {"threshold-always-met", "a threshold above all initial fields: every sample errs in every unit"},
    {"frozen-unit", "j_d outweighs everything else that a unit can receive"},
    {"unit-without-input", "a unit that no other unit is connected to"},
    {"silent-edge", "an edge whose messages are 0 for good"},
    {"weight-too-large", "an initial weight has no exact field"},
    {"weight-too-small", "most initial weights are 0 as exact fields"},
    {"shared-key", "two edges draw their weights from one key"},
    {"sparse-but-dense", "a sparse module with every connection"},
}};

constexpr std::array checks{
    lint_detail::never_trains,    lint_detail::negative_rate,       lint_detail::unused_optimizer,
    lint_detail::decay,           lint_detail::label_in_free_phase, lint_detail::label_in_evaluation,
    lint_detail::label_in_update, lint_detail::empty_phase,         lint_detail::unused_edge,
    lint_detail::unreached_row,   lint_detail::unread_row,          lint_detail::threshold_range,
    lint_detail::frozen_unit,     lint_detail::unit_without_input,  lint_detail::silent_edge,
    lint_detail::weight_range,    lint_detail::shared_key,          lint_detail::dense_sparse_edge};

bool allowed(const Finding& finding, std::span<const std::string> allow) {
  return std::any_of(allow.begin(), allow.end(), [&](const std::string& entry) {
    return entry == finding.id || entry == fmt::format("{} {}", finding.id, finding.place);
  });
}

std::ptrdiff_t position(const Finding& finding) {
  const auto found = std::ranges::find(rules, std::string_view(finding.id), &LintRule::id);
  return found - rules.begin();
}

}  // namespace

std::span<const LintRule> lint_rules() { return rules; }

bool can_be_allowed(std::string_view entry) {
  const std::size_t space = entry.find(' ');
  if (space != std::string_view::npos && space + 1 == entry.size()) return false;
  return std::ranges::find(rules, entry.substr(0, space), &LintRule::id) != rules.end();
}

std::vector<Finding> lint(const Network& network, std::span<const std::string> allow) {
  const Facts facts(network);
  Report report;
  for (const auto& check : checks) check(facts, report);
  std::erase_if(report, [&](const Finding& f) { return allowed(f, allow); });
  std::ranges::stable_sort(report, {}, position);
  return report;
}

std::string to_string(const Finding& f) {
  return fmt::format("{} {}: {}; {}", f.id, f.place, f.text, f.remedy);
}

}  // namespace relaxon
