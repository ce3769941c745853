// Correlation of sparse weights, a receiver's column at a time, entries in the lanes.
#pragma once

#include "runtime/kernels/entry_senders.hpp"

namespace relaxon {
namespace {

using SparseArguments = UpdateArguments<SparseWeight<float>>;

/// S of a register of entries of a column at a time. What the entries' senders are is put together one by
/// one: gather instructions take longer.
template <Arithmetic how>
class SparseCorrelation {
 public:
  explicit SparseCorrelation(const SparseArguments& in)
      : SparseCorrelation(in.u, in.v, in.panels, in.weight.senders, in.weight.receivers) {}
  SparseCorrelation(const Sender& u, const Errors& v, std::int64_t panels, std::int64_t senders,
                    std::int64_t receivers)
      : u_(u), v_(v), panels_(panels), senders_(senders), receivers_(receivers) {
    if (how == Arithmetic::signs) zeros_ = zeros_where_erring(u.signs, senders, v.signs, receivers, panels);
  }

  /// Lanes in which receiver k errs in any panel.
  unsigned erring(std::int64_t k) const {
    unsigned any = 0;
    for (std::int64_t p = 0; p < panels_; ++p) any |= erring_lanes(v_, p * receivers_ + k);
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
    const std::int64_t i = p * receivers_ + k;
    return {v_.signs.plus[i], v_.signs.minus[i]};
  }

  [[gnu::always_inline]] Words masks(const Mask* plane, std::int64_t p, const std::int32_t* senders) const {
    return masks_at(plane + p * senders_, senders);
  }

  [[gnu::always_inline]] Floats signs(std::int64_t k, const std::int32_t* senders) const {
    Words sum{};
    for (std::int64_t p = 0; p < panels_; ++p) {
      const Lanes v = errors(k, p);
      if ((v.plus | v.minus) == 0) continue;
      const Words up = masks(u_.signs.plus, p, senders);
      Words both = broadcast<std::uint32_t>(v.plus | v.minus);
      if (zeros_) both = both & (up | masks(u_.signs.minus, p, senders));
      sum = sum + sign_products(both, broadcast<std::uint32_t>(v.plus), up);
    }
    return to_floats(sum);
  }

  [[gnu::always_inline]] Floats pairs(std::int64_t k, const std::int32_t* senders) const {
    PairCounts<how == Arithmetic::pair_errors> counts;
    for (std::int64_t p = 0; p < panels_; ++p) {
      const Lanes v = errors(k, p);
      counts.add(broadcast<std::uint32_t>(v.plus), broadcast<std::uint32_t>(v.minus),
                 masks(u_.signs.plus, p, senders), masks(u_.signs.minus, p, senders));
    }
    return counts.sum(u_, v_);
  }

  const std::uint8_t* sender_bytes(std::int64_t p) const { return u_.bytes + p * senders_ * lanes; }

  [[gnu::always_inline]] Floats bytes(std::int64_t k, const std::int32_t* senders) const {
    Words sum{};
    for (std::int64_t p = 0; p < panels_; ++p) {
      const Lanes v = errors(k, p);
      if ((v.plus | v.minus) == 0) continue;
      sum = sum + panel_dots(sender_bytes(p), senders, signed_panel(v.plus, v.minus));
    }
    return to_floats(sum);
  }

  [[gnu::always_inline]] Floats byte_pairs(std::int64_t k, const std::int32_t* senders) const {
    Words sum_a{}, sum_b{};
    for (std::int64_t p = 0; p < panels_; ++p) {
      const Lanes v = errors(k, p);
      sum_a = sum_a + panel_dots(sender_bytes(p), senders, signed_panel(v.plus, 0));
      sum_b = sum_b + panel_dots(sender_bytes(p), senders, signed_panel(v.minus, 0));
    }
    return pair_sum(sum_a, v_.a, sum_b, v_.b);
  }

  Floats reals(std::int64_t k, const std::int32_t* senders) const {
    Floats sum{};
    for (std::int64_t p = 0; p < panels_; ++p) {
      const std::int64_t receiver = p * receivers_ + k, first = p * senders_;
      for (unsigned which = erring_lanes(v_, receiver); which != 0; which &= which - 1) {
        const int lane = __builtin_ctz(which);
        Floats u;
        for (int i = 0; i < words; ++i) u[i] = sender_at(u_, first + senders[i], lane);
        sum = fma(u, broadcast<float>(error_at(v_, receiver, lane)), sum);
      }
    }
    return sum;
  }

  const Sender& u_;
  const Errors& v_;
  std::int64_t panels_, senders_, receivers_;
  bool zeros_ = false;
};

/// The same of a difference, each finished in float32.
template <Arithmetic how>
class SparseDifference {
 public:
  explicit SparseDifference(const SparseArguments& in)
      : from_(in), less_(in.less->u, in.less->v, in.panels, in.weight.senders, in.weight.receivers) {}

  unsigned erring(std::int64_t k) const { return from_.erring(k) | less_.erring(k); }
  [[gnu::always_inline]] Floats at(std::int64_t k, const std::int32_t* senders) const {
    return from_.at(k, senders) - less_.at(k, senders);
  }

 private:
  SparseCorrelation<how> from_, less_;
};

/// A register of senders of a column. Where the column ends first, those of the next one follow, or at the
/// end of all columns sender 0.
class Senders {
 public:
  [[gnu::always_inline]] Senders(const SparseWeight<float>& weight, std::int64_t entry)
      : senders_(weight.sender + entry) {
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
