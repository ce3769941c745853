// The optimizers' steps on a register of weights (semantics: section 11).
#pragma once

#include "runtime/jit/llvm/emitter.hpp"
#include "runtime/jit/operation.hpp"

namespace relaxon::jit {

/// What an update has done so far, carried through its loops: bits of floats, because magnitudes order as
/// integers; what shrinks is below 0 in both.
struct Progress {
  V growth, largest, misfits;  // the last: 1 where a q didn't fit
  static Progress none(Emitter& e) { return {e.zeros(e.i32, 16), e.zeros(e.i32, 16), e.zeros(e.i32, 16)}; }
  static Progress of(const Values& carried) { return {carried[0], carried[1], carried[2]}; }
  Values values() const { return {growth, largest, misfits}; }
};

class OptimizerStep {
 public:
  /// Reads the operands of an Update that every step needs.
  OptimizerStep(Emitter& e, StepRule rule, int kept_bits);

  /// Whether entries without an error may move: a scalar condition, constant for all rules but sgd.
  V moves_silently();
  /// Sixteen weights from position `i` on; `s` null: S is 0. With `mask`, only those lanes are read, moved
  /// and written; lanes of `fixed` are left as they are.
  Progress at(V i, V s, V mask, V fixed, Progress progress);
  /// A stretch of weights whose S is 0.
  Progress silent(V from, V to, Progress progress);
  void report(Progress progress);

 private:
  bool adam() const { return rule_ == StepRule::adam || rule_ == StepRule::adamw; }
  V scalar(unsigned i) { return e_.splat(scalars_[i], 16); }
  V negative(unsigned i) { return e_.splat(e_.b.CreateFNeg(scalars_[i]), 16); }
  V decayed_by_sgd(V w);
  void move(V& w, V& m, V& v, V s);

  Emitter& e_;
  StepRule rule_;
  unsigned moments_;
  int kept_bits_;
  V w_, m_, v_, q_;
  Values scalars_;
};

}  // namespace relaxon::jit
