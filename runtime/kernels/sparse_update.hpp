// Correlation and step of sparse weights, a receiver's column at a time, entries in the lanes.
#pragma once

#include "runtime/kernels/correlation.hpp"
#include "runtime/kernels/optimizer_step.hpp"

namespace relaxon {
namespace {

using SparseArguments = UpdateArguments<SparseWeight<float>>;

/// S of a register of entries of a column at a time.
class SparseCorrelation {
 public:
  explicit SparseCorrelation(const SparseArguments& arguments)
      : in_(arguments), how_(arithmetic_of(arguments.u.kind, arguments.v.kind)) {
    if (how_ == Arithmetic::signs) find_zeros();
  }

  bool errs(std::int64_t k) const {
    unsigned any = 0;
    for (std::int64_t p = 0; p < in_.panels; ++p) any |= erring_lanes(in_.v, p * in_.weight.receivers + k);
    return any != 0;
  }

  /// Must be called before at() of a receiver.
  void choose(std::int64_t k) {
    if (how_ == Arithmetic::bytes && in_.panels * 4 <= capacity) list_quads(k);
  }

  /// S of the entries that connect `senders` with receiver k.
  [[gnu::always_inline]] Floats at(std::int64_t k, Ints senders) const {
    switch (how_) {
      case Arithmetic::signs: return signs(k, senders);
      case Arithmetic::pair_errors:
      case Arithmetic::pair_senders: return pairs(k, senders);
      case Arithmetic::bytes:
        if (in_.panels * 4 <= capacity) return listed_bytes(senders);
        return bytes(k, senders);
      case Arithmetic::byte_pairs: return bytes(k, senders);
      case Arithmetic::reals: return reals(k, senders);
    }
    __builtin_unreachable();
  }

 private:
  struct Lanes {
    unsigned plus, minus;
  };
  Lanes errors(std::int64_t k, std::int64_t p) const {
    const std::int64_t i = p * in_.weight.receivers + k;
    return {in_.v.signs.plus[i], in_.v.signs.minus[i]};
  }

  /// Whether a sender is 0 in a lane with an error.
  void find_zeros() {
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      unsigned erring = 0, zero = 0;
      for (std::int64_t k = 0; k < in_.weight.receivers; ++k) {
        const Lanes v = errors(k, p);
        erring |= v.plus | v.minus;
      }
      for (std::int64_t i = p * in_.weight.senders; i < (p + 1) * in_.weight.senders; ++i) {
        zero |= ~(unsigned{in_.u.signs.plus[i]} | in_.u.signs.minus[i]);
      }
      zeros_ |= (erring & zero) != 0;
    }
  }

  /// The masks of a panel's senders, a word each.
  [[gnu::always_inline]] Words masks(const Mask* plane, std::int64_t p, Ints senders) const {
    const Mask* panel = plane + p * in_.weight.senders;
    if (in_.weight.senders == 1) return broadcast<std::uint32_t>(panel[0]);
    // The words that end with the sender's mask, except the first: nothing behind the last mask is touched.
    const Ints later = senders > Ints{};  // -1 where true
    const Words pair = gather_at_pairs(panel, senders + later);
    return (pair >> ((Words)later & 16u)) & 0xffffu;
  }

  [[gnu::always_inline]] Floats signs(std::int64_t k, Ints senders) const {
    Words sum{};
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      const Lanes v = errors(k, p);
      if ((v.plus | v.minus) == 0) continue;
      const Words up = masks(in_.u.signs.plus, p, senders);
      // Where neither is 0 the product is 1, less 2 where the signs differ.
      Words both = broadcast<std::uint32_t>(v.plus | v.minus);
      if (zeros_) both = both & (up | masks(in_.u.signs.minus, p, senders));
      const Words differ = both & (broadcast<std::uint32_t>(v.plus) ^ up);
      sum = sum + popcount(both) - (popcount(differ) << 1);
    }
    return to_floats(sum);
  }

  [[gnu::always_inline]] Floats pairs(std::int64_t k, Ints senders) const {
    const bool by_error = how_ == Arithmetic::pair_errors;
    Words n_a{}, n_b{};
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      const Lanes v = errors(k, p);
      const Words v_plus = broadcast<std::uint32_t>(v.plus), v_minus = broadcast<std::uint32_t>(v.minus);
      const Words u_plus = masks(in_.u.signs.plus, p, senders),
                  u_minus = masks(in_.u.signs.minus, p, senders);
      const Words mixed_a = by_error ? v_plus & u_minus : v_minus & u_plus;
      const Words mixed_b = by_error ? v_minus & u_plus : v_plus & u_minus;
      n_a = n_a + popcount(v_plus & u_plus) - popcount(mixed_a);
      n_b = n_b + popcount(mixed_b) - popcount(v_minus & u_minus);
    }
    return by_error ? pair_sum(n_a, in_.v.a, n_b, in_.v.b) : pair_sum(n_a, in_.u.a, n_b, in_.u.b);
  }

  /// Four lanes of a mask as bytes 0 and 1.
  static std::uint32_t as_bytes(unsigned mask, int quad) {
    return (mask >> (4 * quad) & 15u) * 0x00204081u & 0x01010101u;
  }

  /// The quads of a column that hold an error: nearly always one or two, wherever they are.
  void list_quads(std::int64_t k) {
    quads_ = 0;
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      const Lanes v = errors(k, p);
      for (int quad = 0; quad < 4; ++quad) {
        const std::uint32_t word = as_bytes(v.plus, quad) | as_bytes(v.minus, quad) * 0xffu;
        quad_bytes_[quads_] = in_.u.bytes + p * in_.weight.senders * lanes + 4 * quad;
        quad_errors_[quads_] = word;
        quads_ += word != 0;
      }
    }
  }

  [[gnu::always_inline]] Floats listed_bytes(Ints senders) const {
    const Ints rows = senders * static_cast<std::int32_t>(lanes / 2);
    Words sum{};
    for (int i = 0; i < quads_; ++i) {
      sum = dot4(sum, gather_at_pairs(quad_bytes_[i], rows), broadcast<std::uint32_t>(quad_errors_[i]));
    }
    return to_floats(sum);
  }

  [[gnu::always_inline]] Floats bytes(std::int64_t k, Ints senders) const {
    const bool pair = how_ == Arithmetic::byte_pairs;
    Words sum{}, sum_b{};
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      const Lanes v = errors(k, p);
      const std::uint8_t* u = in_.u.bytes + p * in_.weight.senders * lanes;
      for (int quad = 0; quad < 4; ++quad) {
        const std::uint32_t plus = as_bytes(v.plus, quad), minus = as_bytes(v.minus, quad);
        if ((plus | minus) == 0) continue;
        const Words four = gather_at_pairs(u + 4 * quad, senders * static_cast<std::int32_t>(lanes / 2));
        sum = dot4(sum, four, broadcast<std::uint32_t>(pair ? plus : plus | minus * 0xffu));
        if (pair) sum_b = dot4(sum_b, four, broadcast<std::uint32_t>(minus));
      }
    }
    return pair ? pair_sum(sum, in_.v.a, sum_b, in_.v.b) : to_floats(sum);
  }

  Floats reals(std::int64_t k, Ints senders) const {
    Floats sum{};
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      const std::int64_t receiver = p * in_.weight.receivers + k;
      for (unsigned which = erring_lanes(in_.v, receiver); which != 0; which &= which - 1) {
        const int lane = __builtin_ctz(which);
        sum = fma(values(p, lane, senders), broadcast<float>(error_at(in_.v, receiver, lane)), sum);
      }
    }
    return sum;
  }

  /// What one sample's senders are.
  [[gnu::always_inline]] Floats values(std::int64_t p, int lane, Ints senders) const {
    const std::int64_t first = p * in_.weight.senders;
    if (in_.u.kind == Sender::Kind::real) {
      return gather(in_.u.real + first * lanes + lane, senders * static_cast<std::int32_t>(lanes));
    }
    Floats result;
    for (int i = 0; i < words; ++i) result[i] = sender_at(in_.u, first + senders[i], lane);
    return result;
  }

  const SparseArguments& in_;
  Arithmetic how_;
  bool zeros_ = false;
  static constexpr std::int64_t capacity = 32;
  int quads_ = 0;
  const std::uint8_t* quad_bytes_[capacity + 1];  // a last one that isn't kept
  std::uint32_t quad_errors_[capacity + 1];
};

/// The steps of columns, and of the stretches of columns without an error between them.
template <StepRule rule>
class SparseUpdate {
 public:
  explicit SparseUpdate(const SparseArguments& arguments)
      : in_(arguments), correlation_(arguments), step_(arguments.scalars) {}

  UpdateReport run() {
    const std::int64_t receivers = in_.weight.receivers;
    std::int64_t done = 0;
    for (std::int64_t k = 0; k < receivers; ++k) {
      if (!correlation_.errs(k)) continue;
      silent_columns(done, k);
      correlation_.choose(k);
      column(k, true);
      done = k + 1;
    }
    silent_columns(done, receivers);
    return progress_.report();
  }

 private:
  void silent_columns(std::int64_t begin, std::int64_t end) {
    if (rule == StepRule::sgd && in_.scalars[1] == 0) return;  // nothing moves
    if (in_.fixed_diagonal) {
      for (std::int64_t k = begin; k < end; ++k) column(k, false);
      return;
    }
    const std::int32_t* offsets = in_.weight.offsets;
    step_range(step_, parameters(), offsets[begin], offsets[end] - offsets[begin], nullptr, progress_);
  }

  void column(std::int64_t k, bool errs) {
    const std::int32_t* sender = in_.weight.sender;
    const std::int64_t end = in_.weight.offsets[k + 1];
    std::int64_t e = in_.weight.offsets[k];
    for (; e + words <= end; e += words) {
      const Ints senders = load<std::int32_t>(sender + e);
      step_at(step_, parameters(), e, errs ? correlation_.at(k, senders) : Floats{}, movable(k, senders),
              progress_);
    }
    if (e == end) return;
    const int rest = static_cast<int>(end - e);
    const Ints senders = load_first(sender + e, rest);
    step_at(step_, parameters(), e, errs ? correlation_.at(k, senders) : Floats{}, movable(k, senders),
            progress_, rest);
  }

  LaneSet<Words> movable(std::int64_t k, Ints senders) const {
    return differing(senders,
                     broadcast<std::int32_t>(in_.fixed_diagonal ? static_cast<std::int32_t>(k) : -1));
  }
  Parameters parameters() const { return {in_.weight.entries, in_.moments[0], in_.moments[1]}; }

  const SparseArguments& in_;
  SparseCorrelation correlation_;
  Step<rule> step_;
  Progress progress_;
};

UpdateReport update_sparse(const SparseArguments& in) {
  return with_rule(in.rule, [&]<StepRule rule>() { return SparseUpdate<rule>(in).run(); });
}

void correlate_sparse(const SparseArguments& in, float* s) {
  SparseCorrelation correlation(in);
  const SparseWeight<float>& weight = in.weight;
  for (std::int64_t k = 0; k < weight.receivers; ++k) {
    const bool errs = correlation.errs(k);
    correlation.choose(k);
    for (std::int64_t e = weight.offsets[k]; e < weight.offsets[k + 1]; e += words) {
      const std::int64_t left = weight.offsets[k + 1] - e;
      const int n = static_cast<int>(left < words ? left : words);
      const Ints senders =
          n == words ? load<std::int32_t>(weight.sender + e) : load_first(weight.sender + e, n);
      const Floats part = errs ? correlation.at(k, senders) : Floats{};
      for (int i = 0; i < n; ++i) s[e + i] = in.fixed_diagonal && senders[i] == k ? 0.0f : part[i];
    }
  }
}

}  // namespace
}  // namespace relaxon
