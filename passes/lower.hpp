// Lowering: a declared network -> graphs. The first step of every pipeline, and the only one that knows what
// a module is.
//
// A lowered graph says semantics.md literally: every message of every iteration, every field of the update,
// no sharing. The interpreter run on it is the oracle for everything that comes later.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/network.hpp"
#include "ir/graph.hpp"
#include "passes/probe.hpp"

namespace relaxon {

/// The shape of a tensor gate; a scalar gate belongs to kappa and needs no graph of its own.
enum class GateShape : std::uint8_t { none, samples, sample_column, senders, full };

/// Settings of graphs for hand-written loops and tests.
struct LowerOptions {
  GateShape gate = GateShape::none;
  bool separate_targets = false;     // targets come from a second state
  bool labelled = true;              // the last buffer holds labels of the declared kind, not scores or zeros
  bool probes = false;               // record every state, field and correlation (names: Role)
  std::vector<Probe> selected = {};  // record these; each phase's under its own name, "s1@2:every"
};

/// One batch: x, y, weights, moments -> weights, moments.
Graph lower_train_step(const Network& network, const LowerOptions& options = {});
/// One batch: x, weights -> scores.
Graph lower_evaluate_step(const Network& network, const LowerOptions& options = {});
/// Many batches of a split: inputs, classes, code, order, weights, moments -> weights, moments.
Graph lower_train_epoch(const Network& network);
Graph lower_train_epoch_probed(const Network& network, const std::vector<Probe>& probes);
/// Many batches of a split: inputs, classes, order, weights -> hits.
Graph lower_evaluate_epoch(const Network& network);
Graph lower_evaluate_epoch_probed(const Network& network, const std::vector<Probe>& probes);

/// `iterations/0` steps that keep `filter`'s messages: states -> hidden states.
Graph lower_sweep(const Network& network, Filter filter, const LowerOptions& options = {});
/// The output row from all its senders: states -> scores.
Graph lower_predict(const Network& network, const LowerOptions& options = {});
/// states -> fields of every row, correlations of every trainable edge.
Graph lower_backward(const Network& network, Filter filter, const LowerOptions& options = {});
/// weights, moments, correlations -> weights, moments.
Graph lower_apply(const Network& network);

/// The rule that `apply` carries for an optimizer.
ApplyRule apply_rule(const Optimizer& optimizer);

}  // namespace relaxon
