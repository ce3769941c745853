// Correlation of sparse weights, a receiver's column at a time, entries in the lanes.
#pragma once

#include "runtime/kernels/correlation.hpp"
#include "runtime/kernels/entry_senders.hpp"

namespace relaxon {
namespace {

using SparseArguments = UpdateArguments<SparseWeight<float>>;

/// S of a register of entries of a column at a time. What the entries' senders are is put together one by
/// one: gather instructions take longer.
template <Arithmetic how>
class SparseCorrelation {
 public:
  explicit SparseCorrelation(const SparseArguments& arguments) : in_(arguments) {
    if (how == Arithmetic::signs) find_zeros();
  }

  /// Lanes in which receiver k errs in any panel.
  unsigned erring(std::int64_t k) const {
    unsigned any = 0;
    for (std::int64_t p = 0; p < in_.panels; ++p) any |= erring_lanes(in_.v, p * in_.weight.receivers + k);
    return any;
  }
  /// Whether a sender that is a sign is 0 in a lane with an error.
  bool zeros() const { return zeros_; }

  /// S of the register of entries that connect `senders` with receiver k.
  [[gnu::always_inline]] Floats at(std::int64_t k, const std::int32_t* senders) const {
    switch (how) {
      case Arithmetic::signs: return signs(k, senders);
      case Arithmetic::pair_errors:
      case Arithmetic::pair_senders: return pairs(k, senders);
      case Arithmetic::bytes: return bytes(k, senders);
      case Arithmetic::byte_pairs: return byte_pairs(k, senders);
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

  [[gnu::always_inline]] Words masks(const Mask* plane, std::int64_t p, const std::int32_t* senders) const {
    return masks_at(plane + p * in_.weight.senders, senders);
  }

  [[gnu::always_inline]] Floats signs(std::int64_t k, const std::int32_t* senders) const {
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

  [[gnu::always_inline]] Floats pairs(std::int64_t k, const std::int32_t* senders) const {
    const bool by_error = how == Arithmetic::pair_errors;
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

  const std::uint8_t* sender_bytes(std::int64_t p) const {
    return in_.u.bytes + p * in_.weight.senders * lanes;
  }

  [[gnu::always_inline]] Floats bytes(std::int64_t k, const std::int32_t* senders) const {
    Words sum{};
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      const Lanes v = errors(k, p);
      if ((v.plus | v.minus) == 0) continue;
      sum = sum + panel_dots(sender_bytes(p), senders, signed_panel(v.plus, v.minus));
    }
    return to_floats(sum);
  }

  [[gnu::always_inline]] Floats byte_pairs(std::int64_t k, const std::int32_t* senders) const {
    Words sum_a{}, sum_b{};
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      const Lanes v = errors(k, p);
      sum_a = sum_a + panel_dots(sender_bytes(p), senders, signed_panel(v.plus, 0));
      sum_b = sum_b + panel_dots(sender_bytes(p), senders, signed_panel(v.minus, 0));
    }
    return pair_sum(sum_a, in_.v.a, sum_b, in_.v.b);
  }

  Floats reals(std::int64_t k, const std::int32_t* senders) const {
    Floats sum{};
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      const std::int64_t receiver = p * in_.weight.receivers + k, first = p * in_.weight.senders;
      for (unsigned which = erring_lanes(in_.v, receiver); which != 0; which &= which - 1) {
        const int lane = __builtin_ctz(which);
        Floats u;
        for (int i = 0; i < words; ++i) u[i] = sender_at(in_.u, first + senders[i], lane);
        sum = fma(u, broadcast<float>(error_at(in_.v, receiver, lane)), sum);
      }
    }
    return sum;
  }

  const SparseArguments& in_;
  bool zeros_ = false;
};

/// A register of senders of a column. Where the column ends first, those of the next one follow, or at the
/// end of all columns sender 0.
class Senders {
 public:
  Senders(const SparseWeight<float>& weight, std::int64_t entry) : senders_(weight.sender + entry) {
    const std::int64_t left = weight.offsets[weight.receivers] - entry;
    if (left >= words) return;
    for (int i = 0; i < words; ++i) own_[i] = i < left ? senders_[i] : 0;
    senders_ = own_;
  }
  Senders(const Senders&) = delete;
  Senders& operator=(const Senders&) = delete;
  operator const std::int32_t*() const { return senders_; }

 private:
  const std::int32_t* senders_;
  std::int32_t own_[words];
};

}  // namespace
}  // namespace relaxon
