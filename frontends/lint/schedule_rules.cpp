// What phases and filters do to edges, labels and rows.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "frontends/lint/rules.hpp"

namespace relaxon::lint_detail {
namespace {

/// The phases that run before each update that trains an edge into the output row.
std::vector<std::vector<Phase>> phases_before_read_out_updates(const Facts& facts) {
  std::vector<std::vector<Phase>> all;
  std::vector<Phase> before;
  bool updates = false;
  for (const ScheduleStep& step : facts.network().schedule.steps) {
    if (const auto* phase = std::get_if<Phase>(&step)) {
      if (phase->iterations > 0) before.push_back(*phase);
      continue;
    }
    updates = true;
    const std::vector<EdgeId>& named = std::get<UpdatePoint>(step).edges;
    const bool read_out = named.empty() || std::any_of(named.begin(), named.end(), [&](EdgeId e) {
                            return e.receiver == facts.output();
                          });
    if (read_out) all.push_back(before);
  }
  if (!updates) all.push_back(before);
  return all;
}

/// The buffers that `edges` lead to from those of `reached`, which are among the result.
std::set<int> closure(std::set<int> reached, const std::vector<EdgeId>& edges) {
  for (std::size_t before = 0; before != reached.size();) {
    before = reached.size();
    for (const EdgeId edge : edges) {
      if (reached.contains(edge.sender)) reached.insert(edge.receiver);
    }
  }
  return reached;
}

/// Edges whose messages some phase adds up, and those that the read-out does.
std::vector<EdgeId> sending(const Facts& facts, const std::vector<Phase>& phases) {
  std::vector<EdgeId> edges;
  for (const auto& [id, weight] : facts.weights()) {
    if (id.receiver == facts.output() || facts.keeps(phases, id)) edges.push_back(id);
  }
  return edges;
}

std::string edges_text(const std::vector<EdgeId>& edges) {
  std::vector<std::string> names;
  for (const EdgeId edge : edges) names.push_back(to_string(edge));
  return fmt::format("{} {}", edges.size() == 1 ? "edge" : "edges", fmt::join(names, ", "));
}

bool has_hidden_rows(const Facts& facts) { return facts.output() > 1; }

/// Edges into hidden rows that phase `p`, which has 0 iterations, keeps and no training phase that runs. A
/// label whose phase is off with all that follow is off on purpose.
std::vector<EdgeId> kept_by_empty_phase_alone(const Facts& facts, const std::vector<Phase>& phases,
                                              std::size_t p) {
  const bool later = std::any_of(phases.begin() + static_cast<std::ptrdiff_t>(p), phases.end(),
                                 [](const Phase& phase) { return phase.iterations > 0; });
  std::vector<EdgeId> edges;
  for (const auto& [id, weight] : facts.weights()) {
    const bool wanted = id.receiver < facts.output() && (later || id.sender != facts.output());
    if (wanted && facts.keeps(phases[p].filter, id) && !facts.keeps(facts.training(), id))
      edges.push_back(id);
  }
  return edges;
}

}  // namespace

void label_in_free_phase(const Facts& facts, Report& report) {
  if (facts.network().schedule.rule == UpdateRule::contrastive || facts.label_edges().empty()) return;
  for (const std::vector<Phase>& phases : phases_before_read_out_updates(facts)) {
    const auto holds = [&](const Phase& p) { return facts.keeps_label(p.filter); };
    if (phases.empty() || !holds(phases.back())) continue;
    // A free phase before a single clamped one is the alternate schedule, and meant.
    const bool twice = phases.size() > 1 && holds(phases[phases.size() - 2]);
    if (!twice && !std::all_of(phases.begin(), phases.end(), holds)) continue;
    report.push_back(
        {"label-in-free-phase", to_string(facts.label_edges().front()),
         fmt::format("the last phase before the read-out learns has the filter {}, so the states hold "
                     "the label, as in no evaluation",
                     name_of(phases.back().filter)),
         "end with a phase of the filter inference"});
    return;
  }
}

void label_in_evaluation(const Facts& facts, Report& report) {
  for (const EdgeId edge : facts.label_edges()) {
    const auto found =
        std::ranges::find_if(facts.evaluation(), [&](const Phase& p) { return facts.keeps(p.filter, edge); });
    if (found == facts.evaluation().end()) continue;
    const bool constant = std::holds_alternative<FrozenRescaledFullyConnected>(facts.map().at(edge).module);
    report.push_back(
        {"label-in-evaluation", to_string(edge),
         fmt::format("an evaluation phase of the filter {} keeps it, where there is no label: it sends {}",
                     name_of(found->filter), constant ? "the constant that 0 is rescaled to" : "0"),
         "evaluate with the filter inference"});
  }
}

void label_in_update(const Facts& facts, Report& report) {
  const Schedule& schedule = facts.network().schedule;
  if (schedule.rule == UpdateRule::contrastive) return;
  for (const EdgeId edge : facts.label_edges()) {
    if (!facts.keeps(schedule.update_filter, edge)) continue;
    report.push_back({"label-in-update", to_string(edge),
                      fmt::format("update_filter {} keeps it, so updates judge fields that hold the label",
                                  name_of(schedule.update_filter)),
                      "use the update_filter inference"});
  }
}

void empty_phase(const Facts& facts, Report& report) {
  if (!has_hidden_rows(facts)) return;
  const auto add = [&](std::string text, std::string remedy) {
    report.push_back({"empty-phase", "schedule", std::move(text), std::move(remedy)});
  };
  if (facts.evaluation().empty()) {
    add("the evaluation has no iteration, so hidden rows stay 0 and every image gets class 0",
        "evaluate with at least 1 iteration");
  }
  if (facts.training().empty()) {
    add("training has no iteration, so hidden rows stay 0 and edges from and to them never learn",
        "train with at least 1 iteration");
    return;
  }
  const std::vector<Phase> phases = facts.network().schedule.phases();
  for (std::size_t p = 0; p < phases.size(); ++p) {
    if (phases[p].iterations > 0) continue;
    const std::vector<EdgeId> alone = kept_by_empty_phase_alone(facts, phases, p);
    if (!alone.empty()) {
      add(fmt::format("phase {} ({}) has 0 iterations and is the only one with {}", p,
                      name_of(phases[p].filter), edges_text(alone)),
          "give it iterations, or remove the edges");
    } else if (p + 1 == phases.size() && !facts.keeps_label(phases[p].filter) &&
               facts.keeps_label(facts.training().back().filter)) {
      add(fmt::format("phase {} ({}) has 0 iterations, so updates see states that hold the label", p,
                      name_of(phases[p].filter)),
          "give it iterations");
    }
  }
}

void unused_edge(const Facts& facts, Report& report) {
  const std::vector<Phase> declared = facts.network().schedule.phases();
  for (const auto& [id, weight] : facts.weights()) {
    const bool used = id.receiver == facts.output() || facts.keeps(facts.evaluation(), id) ||
                      facts.keeps(facts.network().schedule.update_filter, id) || facts.keeps(declared, id);
    if (used) continue;
    report.push_back({"unused-edge", to_string(id), "no phase keeps its messages",
                      "add a phase whose filter does, or remove the edge"});
  }
}

void unreached_row(const Facts& facts, Report& report) {
  if (has_hidden_rows(facts) && facts.evaluation().empty()) return;
  const std::set<int> reached = closure({0}, sending(facts, facts.evaluation()));
  for (int row = 1; row <= facts.output(); ++row) {
    if (reached.contains(row)) continue;
    report.push_back(
        {"unreached-row", to_string(EdgeId{row, row}),
         fmt::format("no message of the input reaches row {} in the evaluation: it is the same for all "
                     "images",
                     row),
         "add an edge from the input or from a row that it reaches"});
  }
}

void unread_row(const Facts& facts, Report& report) {
  if (facts.evaluation().empty()) return;
  const std::vector<EdgeId> edges = sending(facts, facts.evaluation());
  for (int row = 1; row < facts.output(); ++row) {
    if (closure({row}, edges).contains(facts.output())) continue;
    report.push_back({"unread-row", to_string(EdgeId{row, row}),
                      fmt::format("no message of row {} reaches the read-out in the evaluation", row),
                      "add an edge to the output or to a row that is read, or remove the row"});
  }
}

}  // namespace relaxon::lint_detail
