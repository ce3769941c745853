// Declarations that are legal but probably wrong: an edge that never trains, a label where none should be, a
// decay that rounding swallows. frontends/lint/README.md has the list with reasons and remedies.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/network.hpp"

namespace relaxon {

/// One finding of one rule.
struct Finding {
  std::string id;     // of the rule, "never-trains"
  std::string place;  // the edge, "1-0"; "schedule" where it is about no single edge
  std::string text, remedy;
  bool operator==(const Finding&) const = default;
};

struct LintRule {
  std::string_view id, summary;
};

/// All rules, in the order their findings are reported.
std::span<const LintRule> lint_rules();

/// Whether a network file may name this in `lint.allow`: the id of a rule, or "id place".
bool can_be_allowed(std::string_view entry);

/// All findings but those that `allow` names. Draws the network's initial weights. Throws Error for a network
/// that isn't valid.
std::vector<Finding> lint(const Network& network, std::span<const std::string> allow = {});

/// "id place: text; remedy"
std::string to_string(const Finding& finding);

}  // namespace relaxon
