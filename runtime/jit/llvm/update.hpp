// S of section 11: how the two sides' kinds decide its arithmetic, and what both weight layouts share.
#pragma once

#include "runtime/jit/llvm/emitter.hpp"
#include "runtime/jit/operation.hpp"

namespace relaxon::jit {

/// Counts are exact integers; reals are one fused chain over samples.
enum class Arithmetic : std::uint8_t { signs, pair_errors, pair_senders, bytes, byte_pairs, reals };
Arithmetic arithmetic_of(const Update& o);

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
