// The state of one lowering: the builder, and which IR value each part of the network is at present.
#pragma once

#include <map>
#include <vector>

#include "core/network.hpp"
#include "ir/builder.hpp"
#include "passes/lower.hpp"
#include "passes/roles.hpp"

namespace relaxon {

/// The value of each buffer.
using States = std::vector<ValueId>;

class Lowering {
 public:
  Lowering(const Network& network, std::string_view name, LowerOptions options);

  GraphBuilder& builder() { return builder_; }
  const LayerMap& map() const { return network_.map; }
  const Network& network() const { return network_; }
  const LowerOptions& options() const { return options_; }

  /// Types of a batch of a buffer: clamped as declared, hidden rows tern (0 before the first sweep).
  Type buffer_type(int buffer, Dim batch = batch_dim) const;
  Type input_type(Dim batch) const;
  Type label_type(Dim batch) const;
  Type weight_type(EdgeId edge) const;

  ValueId bind(const Role& role, Type type);
  void bind_weights();
  /// Moments and margins, for training; scalars are bound by the caller, who knows whether they are a table.
  void bind_moments();
  void bind_margins();
  Type scalars_type(EdgeId edge) const;

  /// The state at init(x, y): hidden rows are zeros.
  States start(ValueId x, ValueId y);
  /// Runs `iterations` steps; `phase` names the probes.
  States scan(const States& states, Filter filter, ValueId iterations, int phase);
  /// Field of a row: the sum of the messages that `filter` keeps.
  ValueId field(int row, Filter filter, const States& states);
  /// S of each edge in `edges` from the state as it is; `targets` is where targets come from.
  std::map<EdgeId, ValueId> correlations(const std::vector<EdgeId>& edges, Filter filter,
                                         const States& states, const States& targets,
                                         std::optional<ValueId> gate);
  /// One optimizer step of each edge; weights and moments are the new ones from here on.
  void apply(const std::map<EdgeId, ValueId>& correlations, const std::map<EdgeId, ValueId>& scalars);

  /// Weights and moments that training changes, with their names: carried by loops, returned at the end.
  std::vector<ValueId> trained() const;
  std::vector<std::string> trained_names() const;
  void set_trained(const std::vector<ValueId>& values);

  /// All phases and updates of the schedule on one batch. `scalars[u]` are those of update point u.
  void batch(ValueId x, ValueId y, std::optional<ValueId> gate, const std::vector<ValueId>& iterations,
             const std::vector<std::map<EdgeId, ValueId>>& scalars);
  /// Scores of the evaluation schedule on one batch.
  ValueId evaluate(ValueId x, const std::vector<ValueId>& iterations);

  /// The edges that each update point of the schedule trains.
  std::vector<std::vector<EdgeId>> update_points() const;
  std::vector<ValueId> bind_iterations(std::size_t phases);

  /// Throws Error for a selected probe that the network has no value for.
  void check_probes(bool evaluation) const;
  void probe(const Role& role, ValueId value);
  void probe(std::string_view name, ValueId value);

 private:
  ValueId message(EdgeId edge, ValueId sender);
  States step(const States& states, Filter filter, int phase);
  bool is_selected(const Probe& asked) const;
  void probe_selected(const Probe& asked, ValueId value);
  void probe_phase(const States& states, Filter filter, int phase, bool every);
  void probe_error(EdgeId edge, ValueId target, ValueId field);
  void contrastive_batch(States states, std::optional<ValueId> gate, const std::vector<ValueId>& iterations,
                         const std::map<EdgeId, ValueId>& scalars);
  EdgeId margin_owner(EdgeId edge) const;

  const Network& network_;
  LowerOptions options_;
  GraphBuilder builder_;
  std::map<EdgeId, PatternId> patterns_;
  std::map<EdgeId, ValueId> weights_, margins_;
  std::map<EdgeId, std::vector<ValueId>> moments_;
};

}  // namespace relaxon
