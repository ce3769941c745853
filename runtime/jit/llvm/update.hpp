// S of section 11: what both weight layouts share.
#pragma once

#include "runtime/jit/llvm/optimizer_step.hpp"
#include "runtime/kernels/arithmetic.hpp"

namespace relaxon::jit {

/// What updates of both weight layouts begin with.
class UpdateParts {
 protected:
  UpdateParts(Emitter& e, const Update& o);

  static constexpr unsigned width = 16;
  bool by_bytes() const { return how_ == Arithmetic::bytes || how_ == Arithmetic::byte_pairs; }

  Emitter& e_;
  llvm::IRBuilder<>& b_;
  const Update& o_;
  Arithmetic how_;
  OptimizerStep step_;
  V u_plus_, u_minus_, v_plus_, v_minus_;
};

V to_floats(Emitter& e, V words);
/// Both counts of a two-valued side as one number, rounded as section 11 writes it.
V pair_sum(Emitter& e, V n_a, float a, V n_b, float b);
/// A 16-bit mask in each of sixteen words.
V words_of(Emitter& e, V mask16);
/// Four lanes of a mask as bytes 0 and 1 of a word.
V byte_word(Emitter& e, V mask32, unsigned quad);

void generate_sparse_update(Emitter& e, const Update& o);
void generate_dense_update(Emitter& e, const Update& o);

}  // namespace relaxon::jit
