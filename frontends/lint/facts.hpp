// What the lint rules ask of a network, found once.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/network.hpp"
#include "core/weight.hpp"

namespace relaxon::lint_detail {

/// The filters of phases and what they keep of the edges that have a weight. Edges into the output row are
/// computed by the update and by predict, whatever the phases keep.
class Facts {
 public:
  explicit Facts(const Network& network);

  const Network& network() const { return network_; }
  const LayerMap& map() const { return network_.map; }
  int output() const { return map().output(); }
  /// The initial weight of each edge that has one.
  const std::map<EdgeId, Weight>& weights() const { return weights_; }

  /// Training phases with at least one iteration, and those of the evaluation.
  const std::vector<Phase>& training() const { return training_; }
  const std::vector<Phase>& evaluation() const { return evaluation_; }
  bool keeps(const std::vector<Phase>& phases, EdgeId edge) const;
  bool keeps(Filter filter, EdgeId edge) const;
  /// Edges from the last buffer to hidden rows: the label's way into the states.
  const std::vector<EdgeId>& label_edges() const { return label_edges_; }
  bool keeps_label(Filter filter) const;

  /// Why training never changes an edge's weight; nullopt if it can.
  struct Reason {
    std::string text, remedy;
  };
  std::optional<Reason> never_trains(EdgeId edge) const;

  /// For each unit of the receiver the largest magnitude that an edge's message can have with the initial
  /// weight, a recurrent diagonal left out; nullopt where the sender's values have no bound.
  std::optional<std::vector<double>> largest_message(EdgeId edge) const;
  /// For each unit of a row how many connections lead to it from other units.
  std::vector<std::int64_t> connections(int row) const;

 private:
  std::optional<double> largest_value(int buffer) const;

  const Network& network_;
  std::map<EdgeId, Weight> weights_;
  std::vector<Phase> training_, evaluation_;
  std::vector<EdgeId> label_edges_;
  std::set<EdgeId> updated_;
};

/// The largest magnitude of an optimizer's rate at any step.
double largest_rate(const Optimizer& optimizer);

}  // namespace relaxon::lint_detail
