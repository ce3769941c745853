// Correlation and step of sparse weights, a receiver's column at a time, entries in the lanes.
#pragma once

#include "runtime/kernels/correlation.hpp"
#include "runtime/kernels/entry_senders.hpp"
#include "runtime/kernels/optimizer_step.hpp"

namespace relaxon {
namespace {

using SparseArguments = UpdateArguments<SparseWeight<float>>;

/// S of a register of entries of a column at a time. What the entries' senders are is put together one by
/// one: gather instructions take longer on much of what is sold.
template <Arithmetic how>
class SparseCorrelation {
 public:
  explicit SparseCorrelation(const SparseArguments& arguments) : in_(arguments) {
    if (how == Arithmetic::signs) find_zeros();
  }

  bool errs(std::int64_t k) const {
    unsigned any = 0;
    for (std::int64_t p = 0; p < in_.panels; ++p) any |= erring_lanes(in_.v, p * in_.weight.receivers + k);
    return any != 0;
  }

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
    Quarters sum{};
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      const Lanes v = errors(k, p);
      if ((v.plus | v.minus) != 0) add_dots(sum, sender_bytes(p), senders, signed_bytes(v.plus, v.minus));
    }
    return to_floats(joined(sum));
  }

  [[gnu::always_inline]] Floats byte_pairs(std::int64_t k, const std::int32_t* senders) const {
    Quarters sum_a{}, sum_b{};
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      const Lanes v = errors(k, p);
      add_dots(sum_a, sender_bytes(p), senders, signed_bytes(v.plus, 0));
      add_dots(sum_b, sender_bytes(p), senders, signed_bytes(v.minus, 0));
    }
    return pair_sum(joined(sum_a), in_.v.a, joined(sum_b), in_.v.b);
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

/// A register of senders; where a column ends first, its last entries are followed by sender 0.
class Senders {
 public:
  Senders(const std::int32_t* from, int count) : senders_(from) {
    if (count == words) return;
    for (int i = 0; i < words; ++i) own_[i] = i < count ? from[i] : 0;
    senders_ = own_;
  }
  operator const std::int32_t*() const { return senders_; }

 private:
  const std::int32_t* senders_;
  std::int32_t own_[words];
};

/// The steps of columns, and of the stretches of columns without an error between them.
template <StepRule rule, Arithmetic how>
class SparseUpdate {
 public:
  explicit SparseUpdate(const SparseArguments& arguments)
      : in_(arguments), correlation_(arguments), step_(arguments.scalars) {}

  UpdateReport run() {
    const SparseWeight<float>& weight = in_.weight;
    skip_fixed(weight.offsets[weight.begin]);
    std::int64_t done = weight.begin;
    for (std::int64_t k = weight.begin; k < weight.end; ++k) {
      if (!correlation_.errs(k)) continue;
      silent_columns(done, k);
      column(k);
      done = k + 1;
    }
    silent_columns(done, weight.end);
    return progress_.report();
  }

 private:
  std::int64_t fixed_at(std::size_t i) const { return in_.fixed.data()[i]; }
  void skip_fixed(std::int64_t entry) {
    while (fixed_ < in_.fixed.size() && fixed_at(fixed_) < entry) ++fixed_;
  }

  void silent_columns(std::int64_t begin, std::int64_t end) {
    const float decay = in_.scalars[1];
    std::int64_t from = in_.weight.offsets[begin];
    const std::int64_t to = in_.weight.offsets[end];
    if (rule == StepRule::sgd && decay == 0) return skip_fixed(to);  // nothing moves
    if (rule == StepRule::sgd && decay > 0 && decay <= 1) return shrink(from, to);
    for (; fixed_ < in_.fixed.size() && fixed_at(fixed_) < to; ++fixed_) {
      step_range(step_, parameters(), from, fixed_at(fixed_) - from, nullptr, progress_);
      from = fixed_at(fixed_) + 1;
    }
    step_range(step_, parameters(), from, to - from, nullptr, progress_);
  }

  /// Decay alone, of entries that stay finite and don't grow. Those that are fixed are put back.
  void shrink(std::int64_t from, std::int64_t to) {
    float* w = in_.weight.entries;
    const Floats factor = broadcast<float>(-in_.scalars[1]);
    while (from < to) {
      constexpr int capacity = 64;
      float kept[capacity];
      int count = 0;
      const std::size_t first = fixed_;
      for (; count < capacity && fixed_ < in_.fixed.size() && fixed_at(fixed_) < to; ++fixed_, ++count)
        kept[count] = w[fixed_at(fixed_)];
      const std::int64_t stop = count == capacity ? fixed_at(fixed_ - 1) + 1 : to;
      for (; from + words <= stop; from += words) {
        const Floats x = load<float>(w + from);
        store(w + from, fma(factor, x, x));
      }
      if (from < stop) {
        const int rest = static_cast<int>(stop - from);
        const Floats x = load_first(w + from, rest);
        store_first(w + from, fma(factor, x, x), rest);
      }
      from = stop;
      for (int i = 0; i < count; ++i) w[fixed_at(first + static_cast<std::size_t>(i))] = kept[i];
    }
  }

  void column(std::int64_t k) {
    const std::int64_t end = in_.weight.offsets[k + 1];
    std::int64_t e = in_.weight.offsets[k];
    for (; e + words <= end; e += words)
      step_at(step_, parameters(), e, correlation_.at(k, in_.weight.sender + e), movable(e), progress_);
    if (e < end) {
      const int rest = static_cast<int>(end - e);
      const Senders senders(in_.weight.sender + e, rest);
      step_at(step_, parameters(), e, correlation_.at(k, senders), movable(e), progress_, rest);
    }
    skip_fixed(end);
  }

  /// Lanes of the register at e whose entries may move. A column has at most one that may not.
  LaneSet<Words> movable(std::int64_t e) const {
    unsigned bits = (1u << words) - 1u;
    if (fixed_ < in_.fixed.size()) {
      const std::int64_t lane = fixed_at(fixed_) - e;
      if (lane >= 0 && lane < words) bits &= ~(1u << lane);
    }
    return lanes_of<Words>(bits);
  }
  Parameters parameters() const { return {in_.weight.entries, in_.moments[0], in_.moments[1]}; }

  const SparseArguments& in_;
  SparseCorrelation<how> correlation_;
  Step<rule> step_;
  Progress progress_;
  std::size_t fixed_ = 0;  // the first fixed entry that is not behind
};

/// Calls run.operator()<how>() for the arithmetic of these arguments.
template <class Run>
[[gnu::always_inline]] inline auto with_arithmetic(const SparseArguments& in, Run run) {
  switch (arithmetic_of(in.u.kind, in.v.kind)) {
    case Arithmetic::signs: return run.template operator()<Arithmetic::signs>();
    case Arithmetic::pair_errors: return run.template operator()<Arithmetic::pair_errors>();
    case Arithmetic::pair_senders: return run.template operator()<Arithmetic::pair_senders>();
    case Arithmetic::bytes: return run.template operator()<Arithmetic::bytes>();
    case Arithmetic::byte_pairs: return run.template operator()<Arithmetic::byte_pairs>();
    case Arithmetic::reals: return run.template operator()<Arithmetic::reals>();
  }
  __builtin_unreachable();
}

UpdateReport update_sparse(const SparseArguments& in) {
  return with_rule(in.rule, [&]<StepRule rule>() {
    return with_arithmetic(in, [&]<Arithmetic how>() { return SparseUpdate<rule, how>(in).run(); });
  });
}

template <Arithmetic how>
void correlate_sparse_by(const SparseArguments& in, float* s) {
  const SparseCorrelation<how> correlation(in);
  const SparseWeight<float>& weight = in.weight;
  for (std::int64_t k = weight.begin; k < weight.end; ++k) {
    const bool errs = correlation.errs(k);
    const std::int64_t end = weight.offsets[k + 1];
    for (std::int64_t e = weight.offsets[k]; e < end; e += words) {
      const int n = static_cast<int>(end - e < words ? end - e : words);
      const Floats part = errs ? correlation.at(k, Senders(weight.sender + e, n)) : Floats{};
      for (int i = 0; i < n; ++i) s[e + i] = part[i];
    }
  }
  for (std::size_t i = 0; i < in.fixed.size(); ++i) {
    const std::int32_t at = in.fixed.data()[i];
    if (at >= weight.offsets[weight.begin] && at < weight.offsets[weight.end]) s[at] = 0;
  }
}

void correlate_sparse(const SparseArguments& in, float* s) {
  with_arithmetic(in, [&]<Arithmetic how>() { correlate_sparse_by<how>(in, s); });
}

}  // namespace
}  // namespace relaxon
