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

/// What an edge's messages multiply, and what its updates change. Where the two differ, each update writes
/// the weight in both forms.
struct Forms {
  Form message = Form::dense, update = Form::dense;
  bool operator==(const Forms&) const = default;
};

/// An edge with a weight, going on from the state that a session's edge has. Batches are (units, B) arrays.
class NaiveEdge {
 public:
  /// The forms of an edge that isn't sparse are dense.
  NaiveEdge(const Network& network, EdgeId id, const EdgeState& state, Forms forms,
            const EigenKernels& kernels);

  EdgeId id() const { return id_; }
  Forms forms() const { return forms_; }
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
  SparseView view(const Tensor& values) const;
  void fix(std::int64_t entry) {
    fixed_.emplace_back(entry, weight_.data<float>()[static_cast<std::size_t>(entry)]);
  }

  EdgeId id_;
  Module module_;
  Optimizer optimizer_;
  const EigenKernels* kernels_;
  std::int64_t d_, K_;
  std::optional<std::pair<float, float>> rescaling_;  // a, b of a x + b
  PatternPtr pattern_;                                // of a sparse edge
  Forms forms_;
  Tensor mask_;                  // (d, K): dense updates of a sparse edge
  Tensor weight_, s_, first_;    // (d, K) or one value an entry, as updates have it
  Tensor sent_;                  // the weight as messages have it, if that is another form
  std::vector<Tensor> moments_;  // as the weight
  OptimizerClock clock_;
  std::vector<float> margin_;                          // K
  std::vector<std::pair<std::int64_t, float>> fixed_;  // entries that never change, with their values
  Tensor rescaled_, errors_;                           // scratch (d, B), (K, B)
};

/// How often a batch of training uses an edge.
struct EdgeUse {
  std::int64_t messages = 0, correlations = 0;
};

/// The forms with which a batch takes least time on this machine: medians of both products, of both updates
/// and of writing the weight in the other form, timed by turns. A dense edge has no choice.
Forms fastest_forms(const Network& network, EdgeId id, const EdgeState& state, EdgeUse use,
                    std::int64_t batch, const EigenKernels& kernels);

}  // namespace relaxon::bench
