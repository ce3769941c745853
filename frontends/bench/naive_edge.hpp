// One edge of the naive baseline: its message and its update, in plain Eigen.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "core/network.hpp"
#include "core/step_scalars.hpp"
#include "core/tensor.hpp"
#include "core/weight.hpp"
#include "frontends/bench/eigen_kernels.hpp"
#include "runtime/session.hpp"

namespace relaxon::bench {

/// dense: a (d, K) array; the absent connections of a sparse edge are zeros, and a mask keeps them so.
/// sparse: Eigen::SparseMatrix.
enum class Form : std::uint8_t { dense, sparse };

/// An edge with a weight, going on from the state that a session's edge has. Batches are (units, B) arrays.
class NaiveEdge {
 public:
  NaiveEdge(const Network& network, EdgeId id, const EdgeState& state, Form form,
            const EigenKernels& kernels);

  EdgeId id() const { return id_; }
  Form form() const { return pattern_ ? Form::sparse : Form::dense; }
  /// The edge's message (K, B) to its receiver, for the sender's state x (d, B).
  void message(const float* x, std::int64_t batch, float* out);
  /// S of section 11 for the sender's state u and the receiver's target t and field f; kept for step().
  void correlate(const float* u, const float* t, const float* f, std::int64_t batch);
  /// The contrastive rule: S as it stands becomes the first phase's, to be taken from the next one.
  void keep_as_first();
  void subtract_first();
  /// The optimizer's step from S.
  void step(std::int64_t batch);
  /// (d, K), 0 where nothing is connected.
  Tensor weight() const;

 private:
  SparseView view() const;
  void fix(std::int64_t entry) {
    fixed_.emplace_back(entry, weight_.data<float>()[static_cast<std::size_t>(entry)]);
  }

  EdgeId id_;
  Module module_;
  Optimizer optimizer_;
  const EigenKernels* kernels_;
  std::int64_t d_, K_;
  std::optional<std::pair<float, float>> rescaling_;  // a, b of a x + b
  PatternPtr pattern_;                                // sparse form
  Tensor mask_;                                       // dense form of a sparse edge
  Tensor weight_, s_, first_;                         // (d, K) or one value an entry
  std::vector<Tensor> moments_;                       // as the weight
  OptimizerClock clock_;
  std::vector<float> margin_;                          // K
  std::vector<std::pair<std::int64_t, float>> fixed_;  // entries that never change, with their values
  Tensor rescaled_, errors_;                           // scratch (d, B), (K, B)
};

/// The edge in the form that is faster on this machine: `messages` messages and, if it is trainable, one
/// update of a batch are timed in both. A dense edge has one form.
NaiveEdge faster_edge(const Network& network, EdgeId id, const EdgeState& state, std::int64_t messages,
                      std::int64_t batch, const EigenKernels& kernels);

}  // namespace relaxon::bench
