// From operations to functions of LLVM's intermediate representation.
#pragma once

#include "runtime/jit/llvm/emitter.hpp"
#include "runtime/jit/operation.hpp"

namespace relaxon::jit {

// Each emits the whole body of a function, the return included.
void generate(Emitter& e, const Quantise& o);
void generate(Emitter& e, const ToFields& o);
void generate(Emitter& e, const Sum& o);
void generate(Emitter& e, const Sign& o);
void generate(Emitter& e, const SignError& o);
void generate(Emitter& e, const PairError& o);
void generate(Emitter& e, const Turn& o);
void generate(Emitter& e, const Affine& o);
void generate(Emitter& e, const RealDense& o);
void generate(Emitter& e, const RealSparse& o);
void generate(Emitter& e, const ExactRows& o);
void generate(Emitter& e, const AdvanceRows& o);
void generate(Emitter& e, const ExactSparse& o);
void generate(Emitter& e, const AdvanceSparse& o);
void generate(Emitter& e, const Update& o);

}  // namespace relaxon::jit
