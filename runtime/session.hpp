// A network that runs: weights, optimizer state and the programs compiled for it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/network.hpp"
#include "core/step_scalars.hpp"
#include "core/tensor.hpp"
#include "core/weight.hpp"
#include "runtime/program.hpp"
#include "runtime/recording.hpp"
#include "runtime/state.hpp"

namespace relaxon {

using SessionOptions = CompileOptions;

/// Images of a batch of an evaluation that is recorded.
inline constexpr std::int64_t recorded_batch = 256;

/// One program that a session made.
struct CompiledProgram {
  std::string name;                     // "train"
  std::string why;                      // it had to be made: "first use", "first use with these probes"
  std::vector<StageTime> stages;        // lower, passes, plan, code, load
  std::optional<jit::CodeReport> code;  // backend jit
};

/// Programs made, and the time it took.
struct CompileReport {
  std::int64_t compiles = 0;
  double milliseconds = 0;
  std::int64_t cache_hits = 0;       // backend jit: those whose machine code came from the cache
  std::vector<std::string> reasons;  // one for each program, "train: first use; 14 functions, made before"
  std::vector<CompiledProgram> programs;
};

/// Everything that training changes about one edge: weight, moments (adam: m, v), optimizer clock. Moments
/// are stored as the weight is. Edges without a weight have none of it.
struct EdgeState {
  Weight weight;
  std::vector<Tensor> moments;
  OptimizerClock clock;
};

/// What `backward` found for each trainable edge: S of section 11, finished in float32, shaped as the weight.
struct Gradients {
  std::int64_t batch = 0;
  float gate = 1;  // a scalar gate, which belongs to kappa
  std::map<EdgeId, Tensor> correlations;
  std::map<int, Tensor> fields;  // row -> exact field (B, K): i64 in units of 2^-F
};

/// Options of a hand-written update.
struct BackwardOptions {
  std::optional<Filter> filter;    // of the fields; default: the schedule's update_filter
  const Tensor* gate = nullptr;    // f32: () | (B) | (B,1) | (1,d) | (B,d), told apart by rank
  const State* targets = nullptr;  // take targets from here instead of the state itself
};

/// A data split as training sees it: all inputs, the class of each, the label vector of each class.
struct LabelledData {
  TensorPtr inputs;   // (N, size of buffer 0)
  TensorPtr classes;  // i32 (N)
  TensorPtr code;     // f32 (K, K): the label vector of each class, K the units of the output
};

/// A network with its weights. Not copyable; not for use by two threads at once. Two sessions are
/// independent.
///
///     Session session(network);
///     State state = session.init(x, y);
///     for (int t = 0; t < 10; ++t) session.step(state);
///     for (int t = 0; t < 10; ++t) session.step_inference(state);
///     session.apply(session.backward(state));
class Session {
 public:
  /// Validates the network and draws its weights from its seed. Throws Error.
  explicit Session(Network network, SessionOptions options = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  const Network& network() const;
  const SessionOptions& options() const;

  /// Lowers and compiles what trainings and evaluations of epochs need; otherwise their first call does.
  void prepare();
  /// What has been compiled so far.
  const CompileReport& compile_report() const;
  /// With options().statistics: what happened in the plans of this session since the last call, by plan name
  /// ("train", "evaluate"); plans that counted nothing are left out.
  std::vector<std::pair<std::string, RunStatistics>> take_statistics();

  /// The weight of an edge; `weight(e).values.matrix<float>()` or sparse_map(weight(e)) show it to Eigen.
  const Weight& weight(EdgeId edge) const;
  /// Replaces a weight's values: (d, K), or the entries of a sparse one. Resets nothing else.
  void set_weight(EdgeId edge, Tensor values);
  /// Replaces which connections a sparse edge has, and its values.
  void set_weight(EdgeId edge, Weight weight);
  /// Everything that training changes, edges with a weight in map order; a checkpoint saves and restores it.
  const std::map<EdgeId, EdgeState>& edges() const;
  /// Checks shapes and patterns against the network. Throws Error naming the edge.
  void restore(std::map<EdgeId, EdgeState> edges);
  /// XXH64 over weights and optimizer state, 16 hex digits (interfaces: "digest").
  std::string digest() const;

  /// A state clamped to a batch: x (B, size0) of the declared kind, y (B, units of the output) or none.
  State init(const Tensor& x, const Tensor* y = nullptr) const;
  State init(const Tensor& x, const Tensor& y) const { return init(x, &y); }
  /// `iterations` steps that keep the messages of `filter`.
  void sweep(State& state, Filter filter, std::int64_t iterations = 1);
  void step(State& state) { sweep(state, Filter::all); }
  void step_inference(State& state) { sweep(state, Filter::inference); }
  /// Writes the output row, computed from all its senders, into the last buffer.
  void predict(State& state);
  /// The updates' correlations and fields on the state as it stands; changes nothing.
  Gradients backward(const State& state, const BackwardOptions& options = {});
  /// D of section 5, what an optimizer would get: (d, K), or the entries of a sparse edge.
  Tensor pseudo_gradient(const Gradients& gradients, EdgeId edge) const;
  /// One optimizer step of every edge that `gradients` names.
  void apply(const Gradients& gradients);

  /// Shows values of the training batches that follow, or of evaluations (evaluate, hits), to a sink. The
  /// batches it asks for run a program that keeps those values, the others the one without probes; the
  /// weights are the same. A new recording replaces the last one of its kind. Throws Error for a value that
  /// the network lacks.
  void record(Recording recording, bool evaluation = false);

  /// One batch of the schedule: init(x, y), its phases and updates. `probes` sees what the graph probes.
  void train_batch(const Tensor& x, const Tensor& y, const Tensor* gate = nullptr,
                   const ProbeSink& probes = {});
  /// Scores (B, units of the output) of the evaluation schedule.
  Tensor evaluate(const Tensor& x);
  /// Trains on the batches that `order` cuts into pieces of batch_size; a smaller last batch is used.
  void train(const LabelledData& data, std::span<const std::int32_t> order, std::int64_t batch_size);
  /// How many images `hits` had best take at a time of so many: as many as the planner has chosen
  /// (passes/plan/evaluation_batch.hpp), fewer where the threads wouldn't get enough batches; at least
  /// options().plan.batch. While evaluations are recorded, recorded_batch, whatever the machine.
  std::int64_t evaluation_batch(std::int64_t images);
  /// How many of the first `images` images the evaluation classifies as `data.classes` says.
  std::int64_t hits(const LabelledData& data, std::int64_t images, std::int64_t batch_size);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace relaxon
