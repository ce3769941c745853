// The inside of a Session, shared by the files that implement it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

#include "passes/lower.hpp"
#include "passes/roles.hpp"
#include "runtime/session.hpp"

namespace relaxon {

/// The graphs a session can need; each is lowered and compiled when it first does.
enum class Piece : std::uint8_t {
  train_step,
  evaluate_step,
  train_epoch,
  evaluate_epoch,
  sweep,
  predict,
  backward,
  apply
};

struct ProgramKey {
  Piece piece = Piece::train_step;
  Filter filter = Filter::all;
  LowerOptions options;

  auto tie() const {
    return std::tie(piece, filter, options.gate, options.separate_targets, options.labelled, options.probes,
                    options.selected);
  }
  bool operator<(const ProgramKey& other) const { return tie() < other.tie(); }
};

/// A tensor seen through a shared pointer that doesn't own it; for the length of one run.
inline TensorPtr borrow(const Tensor& tensor) { return {TensorPtr{}, &tensor}; }
inline TensorPtr own(Tensor tensor) { return std::make_shared<const Tensor>(std::move(tensor)); }
inline TensorPtr integer(std::int64_t value) { return own(Tensor::scalar(static_cast<std::int32_t>(value))); }

/// Throws Error, starting with `what`, at the first number that isn't finite.
void check_finite(const Tensor& values, std::string_view what);

struct Session::Impl {
  Network network;
  SessionOptions options;
  std::map<EdgeId, EdgeState> edges;
  std::map<ProgramKey, std::unique_ptr<Program>> programs;
  CompileReport report;
  /// A recording and how many batches it has been offered.
  struct Watch {
    Recording recording;
    std::int64_t offered = 0;
  };
  std::optional<Watch> training, evaluation;

  TensorPtr checked_inputs;  // the last split whose values were checked

  Impl(Network n, SessionOptions o);

  void reset_moments(EdgeId id);

  Program& program(const ProgramKey& key);
  void note(const Program& program, std::string why, double lower_ms);

  const Edge& edge(EdgeId id) const { return network.map.at(id); }

  std::vector<TensorPtr> run(Program& program, const std::function<TensorPtr(const Role&)>& special,
                             const ProbeSink& probes = {});

  PatternPtr pattern_named(const std::string& name) const;

  /// The next batches that a watch treats alike, at most `steps`, and whether it sees them.
  struct Stretch {
    std::int64_t steps = 0;
    const Watch* seen_by = nullptr;
    std::int64_t first = 0;  // index of the first batch for the sink
    std::vector<Probe> probes() const { return seen_by ? seen_by->recording.probes : std::vector<Probe>{}; }
    /// The sink of a program whose probes stand in a loop over batches, or in none.
    ProbeSink sink(bool looped) const;
  };
  static Stretch next_stretch(std::optional<Watch>& watch, std::int64_t steps);

  /// Session::train of batches that are all recorded or all not.
  void train_stretch(const LabelledData& data, std::span<const std::int32_t> order, std::int64_t batch_size,
                     const Stretch& stretch);
  /// Right answers among images first .. first + images - 1.
  std::int64_t hits_stretch(const LabelledData& data, std::int64_t first, std::int64_t images,
                            std::int64_t batch_size, const Stretch& stretch);

  /// What every graph may need; null for roles that depend on the call.
  TensorPtr common(const Role& role) const;

  Tensor margin(EdgeId id) const;

  TensorPtr iterations(const std::vector<Phase>& phases, const Role& role) const;

  UpdateSetting setting(EdgeId id, std::int64_t batch, float gate) const;

  std::vector<float> next_scalars(EdgeId id, const OptimizerClock& clock, std::int64_t batch,
                                  float gate) const;

  void check_gate(const Tensor& gate, std::int64_t batch) const;

  static GateShape gate_shape(const Tensor* gate, std::int64_t batch);

  static float scalar_gate(const Tensor* gate) {
    return gate && gate->shape().empty() ? gate->data<float>()[0] : 1.0f;
  }

  /// Labels as their declared kind is stored.
  TensorPtr label(const Tensor& y) const;

  TensorPtr buffer(const State& state, int index) const;

  void check_state(const State& state) const;

  /// Stores weights and moments that a program returned.
  void store(const Graph& graph, const std::vector<TensorPtr>& results);

  void check_split(const LabelledData& data, std::int64_t batch_size);

  /// Scalars of every update of a run of batches, and the clocks after it.
  struct Tables {
    std::map<std::pair<EdgeId, int>, std::vector<float>> rows;
    std::map<EdgeId, OptimizerClock> clocks;
  };

  Tables tables(std::int64_t images, std::int64_t batch_size) const;
};

}  // namespace relaxon
