// What generated functions compute, and how they are called.
//
// A step of a plan becomes an operation: its kernel with every shape, kind and constant that its code is made
// for. Steps with equal operations share one function. What changes between calls (weights, patterns,
// settings, the batch) is data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "passes/plan/plan.hpp"
#include "runtime/kernels/kernels.hpp"

namespace relaxon::jit {

/// Computes units `begin` .. `end` of a batch (receivers: `begin` a multiple of 64, `end` one or the last),
/// with FTZ and DAZ set, by lane. `operands` are those of the operation, in the order in which operation.hpp
/// lists them; values have the layouts of runtime/kernels/kernels.hpp. Returns what the operation says, else
/// 0. Throws nothing, keeps nothing.
using Function = std::int64_t (*)(void* const* operands, std::int64_t batch, std::int64_t begin,
                                  std::int64_t end);

/// q of the weights at positions begin .. end. Returns the first with |w| >= 2^(31 - F) or NaN, or -1.
/// Operands: w f32, q i32.
struct Quantise {
  int fixed_bits;
};

/// Real-valued messages as int32 fields. Returns the first index of an active lane that is not below 2^30 in
/// magnitude, or -1. Operands: x f32, h i32.
struct ToFields {
  std::int64_t units;
  int fixed_bits;
};

/// Fields that are summed: so many that lie by lane, then so many by sample.
struct Summands {
  std::int64_t by_lane, by_sample;
  std::int64_t count() const { return by_lane + by_sample; }
};

/// Their sum; by sample if any of the messages is. Operands: the messages, h.
struct Sum {
  std::int64_t units;
  Summands messages;
};

/// Its sign in active lanes. Operands: the messages, plus, minus.
struct Sign {
  std::int64_t units;
  Summands messages;
};

/// The perceptron's error of targets in {-1, 0, 1}. Operands: the messages, target plus, minus, margins i32
/// (cut to +-2^30, as many as row_stride() says), error plus, minus.
struct SignError {
  std::int64_t units;
  Summands messages;
};

/// The same of two-valued targets. Operands: the messages, target plus, minus, margins f32 (as above), error
/// plus, minus.
struct PairError {
  std::int64_t units;
  Summands messages;
  float a, b;
  int fixed_bits;
};

/// Fields by lane as fields by sample, or back. Operands: the fields as they lie, as they shall.
struct Turn {
  std::int64_t units;
  bool to_samples;
};

/// The order in which the columns of a sparse weight are summed, and what it needs of the pattern.
///
/// `order` permutes each block of columns by the number of entries. Columns are taken in that order, as many
/// at a time as a tile has, then one by one; `stream` has every sender in the order in which it is needed: of
/// a tile, the first entries of its columns, the second ones, and so on to the end of the shortest, then what
/// is left of each column. A sender is a number of `unit`s.
struct ColumnStream {
  std::int64_t senders, unit;

  static constexpr std::int64_t block = 64;
  static std::int64_t tile(Isa isa) { return isa == Isa::avx512 ? 8 : 4; }
  /// Whether the stream is of u16; else i32.
  bool short_indices() const { return senders * unit <= 0xffff; }
};

/// What a real-valued message reads: numbers, bytes, or bit planes that stand for a and b.
struct RealSender {
  Sender::Kind kind;
  float a, b;   // of planes: 1 and -1 for signs
  float scale;  // of sums over bytes; else 1
  bool planes() const { return kind == Sender::Kind::signs || kind == Sender::Kind::pair; }
};

/// Real-valued message through a dense weight. Operands: w f32, x (numbers, bytes or plus), x minus (planes),
/// h f32.
struct RealDense {
  std::int64_t senders, receivers;
  RealSender x;
};

/// The same through a sparse one. Operands: w f32, offsets, stream (a sender is where its lanes begin as
/// 32-bit numbers, in units of 8 bytes; of planes, its number), order, x, x minus, h f32, and where bytes of
/// two panels are joined byte_sparse_scratch() words, the call's own.
struct RealSparse {
  std::int64_t senders, receivers;
  RealSender x;
  /// Whether bytes of each two panels are put side by side first, as the kernel table's byte_sparse does.
  bool joins_panels(Isa isa) const { return isa == Isa::avx512 && x.kind == Sender::Kind::bytes; }
  ColumnStream stream() const { return {senders, x.planes() ? 1 : lanes * 4 / 8}; }
};

/// a x + b, rounded twice; 0 in lanes without a sample. Operands: x, x minus (planes), a f32, b f32, numbers
/// f32.
struct Affine {
  std::int64_t units;
  RealSender x;
};

/// Exact message of senders `begin` .. `end` through a dense weight, by sample. Operands: q i32, x plus, x
/// minus (null: every sender is +1 or -1 in every active lane), h i32, base i32 (what the message is added
/// to, laid out like h; null: nothing).
struct ExactRows {
  std::int64_t senders, receivers;
};

/// h += message(to) - message(from) of senders `begin` .. `end` of a dense weight, by sample. Operands: q
/// i32, from plus, minus, to plus, minus, h i32.
struct AdvanceRows {
  std::int64_t senders, receivers;
};

/// Exact message through a sparse weight, of senders that are +1 or -1 in every active lane. Operands: q i32,
/// offsets, stream (a sender is its number), order, x plus, h i32, base i32 (as above).
struct ExactSparse {
  std::int64_t senders, receivers;
  ColumnStream stream() const { return {senders, 1}; }
};

/// h += message(to) - message(from), for the receivers of a SenderIndex instead of a range of units.
/// Operands: q i32, first, last, receiver, entry, from plus, minus, to plus, minus, h i32.
struct AdvanceSparse {
  std::int64_t senders, receivers;
};

/// S of section 11 and the optimizer's step, without storing S, for a range of receivers of a sparse weight
/// or of senders of a dense one. Operands: w, m, v (null where the rule has none), offsets, sender (null for
/// a dense weight), u (plus, or numbers), u minus (right after plus), v (plus, or numbers), v minus, scalars,
/// report, scratch (dense: update_scratch() floats, the call's own). Senders that are signs are +1 or -1 in
/// every active lane. The report is three i32, which the call raises to the bits of the largest |W'| - |W|
/// and of the largest magnitude written, and to 1 where q of a W' it wrote doesn't fit. Operand 12, if it
/// keeps q: q i32, which gets that of every W' written.
struct Update {
  StepRule rule;
  Sender::Kind u;
  Errors::Kind v;
  float u_a, u_b, v_a, v_b;  // pairs
  std::int64_t senders, receivers;
  bool sparse, fixed_diagonal;
  int kept_bits;  // fixed bits of the q it keeps; 0: it keeps none
};

using Operation = std::variant<Quantise, ToFields, Sum, Sign, SignError, PairError, Turn, Affine, RealDense,
                               RealSparse, ExactRows, AdvanceRows, ExactSparse, AdvanceSparse, Update>;

/// All that its code depends on, apart from the target: "exact_sparse senders=2000 receivers=2000 add=1".
std::string text_of(const Operation& operation);

/// What is generated for a step, where its fields are int32 (int64 is the rare case that a bound doesn't
/// hold: the kernel table runs it). Empty with a reason: the kernel table's function runs it; empty without:
/// nothing is computed (values are moved, other steps are run).
struct Generated {
  std::vector<Operation> operations;  // usually one; advance: the whole message added, then the difference
  std::string why_not;
};
Generated operations_of(const Step& step, const Plan& plan, Isa isa);

}  // namespace relaxon::jit
