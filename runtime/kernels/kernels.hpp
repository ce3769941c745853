// Kernels of the inner loop: plain functions over batch-innermost arrays, one table per instruction set.
//
// A batch is cut into panels of 16 samples (lanes). A value with one number per sample and unit is stored as
// [panel][unit][lane]; the last panel's lanes beyond the batch are inactive: their bits are 0 in every Mask,
// their numbers may be anything. Values in {-1, 0, 1} are two bit planes, a Mask per panel and unit: `plus`
// and `minus`. Fields are integers in units of 2^-F, int32 while a bound proves that they fit, else int64.
// They lie by lane, as other values do, or by sample: [sample][unit], rows padded to 16 units, which dense
// messages prefer: what a sender adds to a sample is a row of its weights.
//
// Every table gives the same bits: integer sums have no order, float sums have one accumulator per output in
// ascending order with fma, and nothing else rounds. All kernels expect FTZ and DAZ to be set. None of them
// allocates, throws or touches memory beyond its arguments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/isa.hpp"

namespace relaxon {

inline constexpr std::int64_t lanes = 16;
using Mask = std::uint16_t;

inline std::int64_t panels_of(std::int64_t batch) { return (batch + lanes - 1) / lanes; }
/// The lanes of a panel that hold samples.
inline Mask active_lanes(std::int64_t batch, std::int64_t panel) {
  const std::int64_t left = batch - panel * lanes;
  return left >= lanes ? Mask(0xffff) : left <= 0 ? Mask(0) : Mask((1u << left) - 1u);
}

/// Values in {-1, 0, 1}: [panel][unit].
struct SignsIn {
  const Mask* plus;
  const Mask* minus;
};
struct SignsOut {
  Mask* plus;
  Mask* minus;
};

/// Units that a call computes, or senders that it takes; the others are another thread's. A part of units
/// begins at a multiple of unit_block and ends at one or with the last; senders are cut anywhere.
struct Units {
  Units(std::int64_t n) : count(n), begin(0), end(n) {}
  Units(std::int64_t n, std::int64_t from, std::int64_t to) : count(n), begin(from), end(to) {}
  std::int64_t count, begin, end;
};

/// Numbers in a row of fields by sample.
inline std::int64_t row_stride(std::int64_t units) { return (units + 15) / 16 * 16; }

/// Arrays of fields to be summed.
template <class T>
struct Messages {
  const T* const* by_lane;
  std::int64_t by_lane_count;
  const T* const* by_sample = nullptr;
  std::int64_t by_sample_count = 0;
};

/// Columns whose order is free, and units that no two threads share.
inline constexpr std::int64_t unit_block = 64;

/// A dense weight: row j holds the entries of sender j, `stride` apart (a multiple of 16, the rest is 0). A
/// real-valued message computes receivers begin .. end - 1, as Units has them; an exact message (what these
/// senders add), an update or correlation the rows of senders first_sender .. last_sender - 1.
template <class T>
struct DenseWeight {
  T* entries;
  std::int64_t senders, receivers, stride;
  std::int64_t begin = 0, end = receivers;
  std::int64_t first_sender = 0, last_sender = senders;
};

/// A sparse weight by receiver (compressed columns): the entries of receiver k are offsets[k] ..
/// offsets[k+1], senders ascending.
template <class T>
struct SparseWeight {
  T* entries;
  const std::int32_t* offsets;  // receivers + 1
  const std::int32_t* sender;   // one per entry
  const std::int32_t* order;    // receivers, as columns_by_length() has them
  std::int64_t senders, receivers;
  std::int64_t begin = 0, end = receivers;  // as in DenseWeight
};

/// 0 .. n-1, in each block of unit_block ordered by the number of entries: loops over neighbours end
/// together.
std::vector<std::int32_t> columns_by_length(std::span<const std::int32_t> offsets);

/// The same connections by sender, those to the receivers of a call: row j is first[j] .. last[j]; entry[e]
/// is the position among the compressed columns.
struct SenderIndex {
  const std::int32_t* first;     // senders
  const std::int32_t* last;      // senders
  const std::int32_t* receiver;  // one per entry
  const std::int32_t* entry;
};

/// Where the senders of compressed columns lie, for reading the values of a sample's senders by register: its
/// units are cut into segments of 128.
struct SenderSegments {
  SenderSegments(std::span<const std::int32_t> offsets, std::span<const std::int32_t> sender,
                 std::int64_t senders);

  static constexpr std::int64_t segment = 128;
  /// Samples of a column that are read together: up to so many errors that is cheaper than reading all.
  static constexpr int most_samples = 4;
  static std::int64_t segments_of(std::int64_t senders) { return (senders + segment - 1) / segment; }
  /// Whether columns have enough entries in a segment for it to be worth the reading.
  static bool pay(std::int64_t entries, std::int64_t senders, std::int64_t receivers);

  std::int64_t segments;
  std::vector<std::uint8_t> place;  // of each entry's sender in its segment, then padding
  std::vector<std::uint8_t> count;  // [receiver][segment]: entries
};

/// How section 11 moves a weight; `scalars` as the IR op `apply` has them.
enum class StepRule : std::uint8_t { sgd, momentum, nesterov, adam, adamw };

/// One side of a correlation, per panel and unit.
struct Sender {
  enum class Kind : std::uint8_t { signs, pair, bytes, real } kind;
  SignsIn signs;              // signs; pair: plus = lanes that are a, minus = lanes that are b
  const std::uint8_t* bytes;  // [panel][unit][lane], inactive lanes 0
  const float* real;          // [panel][unit][lane], inactive lanes 0
  float a, b;                 // pair
};
struct Errors {
  enum class Kind : std::uint8_t { signs, pair, real } kind;
  SignsIn signs;      // signs; pair: plus = lanes with error a, minus = lanes with error b
  const float* real;  // [panel][unit][lane], inactive lanes 0
  float a, b;
};

/// Both sides of a correlation.
struct CorrelationSides {
  Sender u;  // [panel][senders]
  Errors v;  // [panel][receivers]
};

/// How two states differ: units with a sample that does, samples and units that do.
struct Changes {
  std::int64_t units, samples;
};

/// What an update kernel reports.
struct UpdateReport {
  float growth;      // no |W'| exceeds |W| by more, by little less at most; means nothing unless `finite`
  bool finite;       // every weight and moment it wrote is finite
  bool fits = true;  // every |W'| of which it wrote q is below 2^(31 - F)
};

/// Where an update leaves q of what it writes, and q of all else stays as it is.
struct FixedCopy {
  std::int32_t* entries = nullptr;  // laid out as the weight's; null: q isn't wanted
  int fixed_bits = 20;
};

template <class Weight>
struct UpdateArguments {
  StepRule rule;
  const float* scalars;
  Sender u;  // [panel][senders]
  Errors v;  // [panel][receivers]
  std::int64_t panels;
  Weight weight;
  float* moments[2];                         // stored as the weight's entries; null if the rule has none
  bool fixed_diagonal;                       // dense: entries (k, k) never change
  float* scratch;                            // update_scratch() floats, or with segments theirs
  std::span<const std::int32_t> fixed = {};  // sparse: the entries (k, k) if they never change, ascending
  const SenderSegments* segments = nullptr;  // sparse, bytes: null if they don't pay
  FixedCopy q = {};                          // dense
  // Updates: S is that of u and v less that of these, of the same kinds; null: of u and v alone.
  const CorrelationSides* less = nullptr;
};

/// Floats of scratch memory that an update or correlation of a dense weight needs; with `less` twice as many.
inline std::int64_t update_scratch(Sender::Kind u, Errors::Kind v, std::int64_t panels, std::int64_t stride) {
  const bool real = u == Sender::Kind::real || v == Errors::Kind::real;
  const bool both_pairs = u == Sender::Kind::pair && v == Errors::Kind::pair;
  // A row of S, which registers of it there is an error in, and the errors of each receiver side by side:
  // numbers (and which samples there are any of), bytes (two planes) or bits (two planes, and how many of
  // each).
  const std::int64_t per_panel = real || both_pairs ? 16 : u == Sender::Kind::bytes ? 8 : 2;
  return (4 + per_panel * panels) * stride + row_stride(panels);
}

/// The same for a sparse weight with segments: a panel's samples side by side, and what a column reads.
inline std::int64_t update_scratch(const SenderSegments& segments) {
  const std::int64_t row = segments.segments * SenderSegments::segment;
  return (64 + lanes * row + SenderSegments::most_samples * (row + 64)) /
         static_cast<std::int64_t>(sizeof(float));
}

/// Words of scratch memory that the message of bytes through a sparse weight needs, best from a cache line
/// on.
inline std::int64_t byte_sparse_scratch(std::int64_t senders, std::int64_t panels) {
  return panels / 2 * senders * lanes;
}

struct KernelTable {
  // Into panels.
  /// Rows `rows[b]` of a (N, units) table as panels; inactive lanes 0.
  void (*gather_signs)(const std::int8_t* table, std::int64_t units, const std::int32_t* rows,
                       std::int64_t batch, SignsOut out);
  void (*gather_bytes)(const std::uint8_t* table, std::int64_t units, const std::int32_t* rows,
                       std::int64_t batch, std::uint8_t* out);
  void (*gather_reals)(const float* table, std::int64_t units, const std::int32_t* rows, std::int64_t batch,
                       float* out);
  /// Of fields, by lane.
  void (*gather_fields32)(const std::int64_t* table, Units units, const std::int32_t* rows,
                          std::int64_t batch, std::int32_t* out);
  void (*gather_fields64)(const std::int64_t* table, Units units, const std::int32_t* rows,
                          std::int64_t batch, std::int64_t* out);
  /// The same by sample.
  void (*gather_field_rows32)(const std::int64_t* table, Units units, const std::int32_t* rows,
                              std::int64_t batch, std::int32_t* out);
  void (*gather_field_rows64)(const std::int64_t* table, Units units, const std::int32_t* rows,
                              std::int64_t batch, std::int64_t* out);
  /// Fields by lane as fields by sample.
  void (*turn_fields32)(const std::int32_t* by_lane, Units units, std::int64_t panels,
                        std::int32_t* by_sample);
  void (*turn_fields64)(const std::int64_t* by_lane, Units units, std::int64_t panels,
                        std::int64_t* by_sample);
  /// Bytes as float32 numbers, unscaled.
  void (*bytes_to_reals)(const std::uint8_t* bytes, std::int64_t n, float* out);
  void (*scale)(float* values, std::int64_t n, float factor);

  // Weights.
  /// q of n weights. Returns the first index with |w| >= 2^(31 - F) or NaN, or -1.
  std::int64_t (*quantise)(const float* w, std::int64_t n, int fixed_bits, std::int32_t* q);

  // Messages. Exact ones are h = base + message, or the message if base is null; base lies as h does. By
  // sample (rows: senders add rows of q):
  void (*exact_rows32)(DenseWeight<const std::int32_t> q, SignsIn x, std::int64_t batch,
                       const std::int32_t* base, std::int32_t* h);
  void (*exact_rows64)(DenseWeight<const std::int32_t> q, SignsIn x, std::int64_t batch,
                       const std::int64_t* base, std::int64_t* h);
  /// h += message(to) - message(from), touching only senders that differ.
  void (*advance_rows32)(DenseWeight<const std::int32_t> q, SignsIn from, SignsIn to, std::int64_t panels,
                         std::int32_t* h);
  void (*advance_rows64)(DenseWeight<const std::int32_t> q, SignsIn from, SignsIn to, std::int64_t panels,
                         std::int64_t* h);
  // By lane:
  void (*exact_sparse32)(SparseWeight<const std::int32_t> q, SignsIn x, std::int64_t batch,
                         const std::int32_t* base, std::int32_t* h);
  void (*exact_sparse64)(SparseWeight<const std::int32_t> q, SignsIn x, std::int64_t batch,
                         const std::int64_t* base, std::int64_t* h);
  /// acc = fma(x_j, W_jk, acc) from +0, j ascending; x and acc are [panel][unit][lane].
  void (*real_dense)(DenseWeight<const float> w, const float* x, std::int64_t panels, float* acc);
  void (*real_sparse)(SparseWeight<const float> w, const float* x, std::int64_t panels, float* acc);
  /// The same of bytes, as the numbers 0 to 255, then times `scale`; `joined` is byte_sparse_scratch() words.
  void (*byte_sparse)(SparseWeight<const float> w, const std::uint8_t* x, std::int64_t panels, float scale,
                      std::uint32_t* joined, float* acc);
  /// real_dense by sample: x is [sample][sender], h [sample][receiver], rows of h `stride` apart.
  void (*real_rows)(DenseWeight<const float> w, const float* x, std::int64_t samples, float* h);
  /// h += message(to) - message(from), touching only senders that differ.
  void (*advance_sparse32)(SparseWeight<const std::int32_t> q, SenderIndex rows, SignsIn from, SignsIn to,
                           std::int64_t panels, std::int32_t* h);
  void (*advance_sparse64)(SparseWeight<const std::int32_t> q, SenderIndex rows, SignsIn from, SignsIn to,
                           std::int64_t panels, std::int64_t* h);
  /// Whether every active lane of some units is +1 or -1.
  bool (*all_signs)(SignsIn x, Units units, std::int64_t batch);
  /// Samples of a panel in which any of `units` numbers differs, bit for bit: [unit][lane].
  Mask (*differing_samples)(const float* a, const float* b, std::int64_t units);
  /// How the first n masks of two states differ.
  Changes (*count_changes)(SignsIn from, SignsIn to, std::int64_t n);
  /// q of real-valued messages. Returns the first index in x of an active lane that doesn't fit int32 (below
  /// 2^30 in magnitude) resp. int64, or -1.
  std::int64_t (*to_fields32)(const float* x, Units units, std::int64_t batch, int fixed_bits,
                              std::int32_t* h);
  std::int64_t (*to_fields64)(const float* x, Units units, std::int64_t batch, int fixed_bits,
                              std::int64_t* h);

  // Epilogues: the sum of messages, then:
  /// The sum itself; by sample if any of the messages is.
  void (*sum32)(const Messages<std::int32_t>& messages, Units units, std::int64_t panels, std::int32_t* h);
  void (*sum64)(const Messages<std::int64_t>& messages, Units units, std::int64_t panels, std::int64_t* h);
  /// +1 where it is >= 0, else -1, in active lanes.
  void (*sum_sign32)(const Messages<std::int32_t>& messages, Units units, std::int64_t batch, SignsOut out);
  void (*sum_sign64)(const Messages<std::int64_t>& messages, Units units, std::int64_t batch, SignsOut out);
  /// The perceptron's error of targets in {-1, 0, 1}: t where t h <= margin[k] (an integer), else 0.
  void (*sum_error32)(const Messages<std::int32_t>& messages, SignsIn t, const std::int64_t* margin,
                      Units units, std::int64_t panels, SignsOut v);
  void (*sum_error64)(const Messages<std::int64_t>& messages, SignsIn t, const std::int64_t* margin,
                      Units units, std::int64_t panels, SignsOut v);
  /// The same of two-valued targets (plus: lanes that are a, minus: b): f = h 2^-F rounded to float32, an
  /// error where f32(t f) <= margin[k].
  void (*sum_pair_error32)(const Messages<std::int32_t>& messages, SignsIn t, float a, float b,
                           const float* margin, int fixed_bits, Units units, std::int64_t panels, SignsOut v);
  void (*sum_pair_error64)(const Messages<std::int64_t>& messages, SignsIn t, float a, float b,
                           const float* margin, int fixed_bits, Units units, std::int64_t panels, SignsOut v);

  // Learning: S of section 11, finished in float32, then the optimizer's step; S is never stored.
  UpdateReport (*update_dense)(const UpdateArguments<DenseWeight<float>>& arguments);
  UpdateReport (*update_sparse)(const UpdateArguments<SparseWeight<float>>& arguments);
  /// S alone, into the weight's shape.
  void (*correlate_dense)(const UpdateArguments<DenseWeight<float>>& arguments, float* s);
  void (*correlate_sparse)(const UpdateArguments<SparseWeight<float>>& arguments, float* s);
  /// The optimizer's step alone, from a stored S, over n entries (`fixed`, if not null: entries that never
  /// change, ascending).
  UpdateReport (*apply)(StepRule rule, const float* scalars, const float* s, std::int64_t n,
                        std::span<const std::int32_t> fixed, float* w, float* m, float* v, FixedCopy q);

  // Bounds.
  /// out[k] += sum over senders of |q|, in int64.
  void (*column_sums_dense)(DenseWeight<const std::int32_t> q, std::int64_t* out);
  void (*column_sums_sparse)(SparseWeight<const std::int32_t> q, std::int64_t* out);

  // What registers and caches can do, for targets. Each returns a number that depends on all it has done.
  /// `rounds` times peak_operations additions of int32, or multiply-adds of float32, in registers.
  std::uint32_t (*peak_adds)(std::int64_t rounds);
  float (*peak_fmas)(std::int64_t rounds);
  /// Reads n bytes (a multiple of 1024) in order.
  std::uint32_t (*read_all)(const std::byte* bytes, std::int64_t n);
  std::int64_t peak_operations;
};

/// Whether this machine can run an instruction set's table.
bool has_isa(Isa isa);
/// The fastest of them that this machine has.
Isa best_isa();
const KernelTable& kernels(Isa isa);

}  // namespace relaxon
