// An update by what its weight is.
#include "runtime/jit/llvm/update.hpp"

#include "runtime/jit/llvm/generate.hpp"

namespace relaxon::jit {

UpdateParts::UpdateParts(Emitter& e, const Update& o)
    : e_(e),
      b_(e.b),
      o_(o),
      how_(arithmetic_of(o.u, o.v)),
      step_(e, o.rule, o.kept_bits),
      u_plus_(e.operand(5)),
      u_minus_(e.operand(6)),
      v_plus_(e.operand(7)),
      v_minus_(e.operand(8)) {}

V to_floats(Emitter& e, V words) { return e.b.CreateSIToFP(words, e.vector(e.f32, 16)); }

V pair_sum(Emitter& e, V n_a, float a, V n_b, float b) {
  V second = e.b.CreateFMul(e.splat(e.real(b), 16), to_floats(e, n_b));
  return e.fma(e.splat(e.real(a), 16), to_floats(e, n_a), second);
}

V words_of(Emitter& e, V mask16) { return e.splat(e.b.CreateZExt(mask16, e.i32), 16); }

V byte_word(Emitter& e, V mask32, unsigned quad) {
  V bits = e.b.CreateAnd(e.b.CreateLShr(mask32, 4 * quad), e.word(15));
  return e.b.CreateAnd(e.b.CreateMul(bits, e.word(0x00204081)), e.word(0x01010101));
}

void generate(Emitter& e, const Update& o) {
  if (o.sparse) return generate_sparse_update(e, o);
  generate_dense_update(e, o);
}

}  // namespace relaxon::jit
