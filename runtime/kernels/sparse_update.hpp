// Correlation and step of sparse weights, a receiver's column at a time, entries in the lanes.
#pragma once

#include "runtime/kernels/correlation.hpp"
#include "runtime/kernels/optimizer_step.hpp"

namespace relaxon {
namespace {

using SparseArguments = UpdateArguments<SparseWeight<float>>;

/// S of a stretch of a column's entries at a time. What the entries' senders are is read one by one into a
/// buffer: a gather instruction takes longer on much of what is sold.
class SparseCorrelation {
 public:
  /// Entries of a stretch.
  static constexpr int stretch = 256;

  explicit SparseCorrelation(const SparseArguments& arguments)
      : in_(arguments), how_(arithmetic_of(arguments.u.kind, arguments.v.kind)) {
    if (how_ == Arithmetic::signs) find_zeros();
  }

  bool errs(std::int64_t k) const {
    unsigned any = 0;
    for (std::int64_t p = 0; p < in_.panels; ++p) any |= erring_lanes(in_.v, p * in_.weight.receivers + k);
    return any != 0;
  }

  /// S of the n <= stretch entries that connect `senders` with receiver k.
  void entries(std::int64_t k, const std::int32_t* senders, int n, float* s) {
    const int registers_of_s = (n + words - 1) / words;
    for (int r = 0; r < registers_of_s; ++r) first_[r] = second_[r] = Words{};
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      switch (how_) {
        case Arithmetic::signs: signs(k, p, senders, n); break;
        case Arithmetic::pair_errors:
        case Arithmetic::pair_senders: pairs(k, p, senders, n); break;
        case Arithmetic::bytes:
        case Arithmetic::byte_pairs: bytes(k, p, senders, n); break;
        case Arithmetic::reals: reals(k, p, senders, n); break;
      }
    }
    for (int r = 0; r < registers_of_s; ++r) store(s + r * words, finished(r));
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

  /// What `read` finds for each sender, and 0 up to a whole register; then visit(r, values) for register r.
  template <class Read, class Visit>
  [[gnu::always_inline]] static void for_each_register(const std::int32_t* senders, int n, Read read,
                                                       Visit visit) {
    alignas(register_bytes) std::uint32_t values[stretch];
    int i = 0;
    for (; i < n; ++i) {
      values[i] = read(senders[i]);
      asm("" ::"r"(i));  // else the compiler puts registers together entry by entry
    }
    for (; i % words != 0; ++i) values[i] = 0;
    for (int r = 0; r * words < i; ++r) visit(r, load<std::uint32_t>(values + r * words));
  }

  void signs(std::int64_t k, std::int64_t p, const std::int32_t* senders, int n) {
    const Lanes v = errors(k, p);
    if ((v.plus | v.minus) == 0) return;
    const Mask* plus = in_.u.signs.plus + p * in_.weight.senders;
    const Mask* minus = in_.u.signs.minus + p * in_.weight.senders;
    const Words erring = broadcast<std::uint32_t>(v.plus | v.minus), up = broadcast<std::uint32_t>(v.plus);
    // Where neither is 0 the product is 1, less 2 where the signs differ.
    if (!zeros_) {
      for_each_register(
          senders, n, [&](std::int32_t j) { return std::uint32_t{plus[j]}; },
          [&](int r, Words u) {
            first_[r] = first_[r] + popcount(erring) - (popcount(erring & (up ^ u)) << 1);
          });
      return;
    }
    for_each_register(
        senders, n, [&](std::int32_t j) { return plus[j] | std::uint32_t{minus[j]} << 16; },
        [&](int r, Words u) {
          const Words both = erring & (u | u >> 16);
          first_[r] = first_[r] + popcount(both) - (popcount(both & (up ^ u)) << 1);
        });
  }

  void pairs(std::int64_t k, std::int64_t p, const std::int32_t* senders, int n) {
    const Lanes v = errors(k, p);
    const bool by_error = how_ == Arithmetic::pair_errors;
    const Mask* plus = in_.u.signs.plus + p * in_.weight.senders;
    const Mask* minus = in_.u.signs.minus + p * in_.weight.senders;
    const Words v_plus = broadcast<std::uint32_t>(v.plus), v_minus = broadcast<std::uint32_t>(v.minus);
    for_each_register(
        senders, n, [&](std::int32_t j) { return plus[j] | std::uint32_t{minus[j]} << 16; },
        [&](int r, Words u) {
          const Words u_plus = u & 0xffffu, u_minus = u >> 16;
          const Words mixed_a = by_error ? v_plus & u_minus : v_minus & u_plus;
          const Words mixed_b = by_error ? v_minus & u_plus : v_plus & u_minus;
          first_[r] = first_[r] + popcount(v_plus & u_plus) - popcount(mixed_a);
          second_[r] = second_[r] + popcount(mixed_b) - popcount(v_minus & u_minus);
        });
  }

  /// Four lanes of a mask as bytes 0 and 1.
  static std::uint32_t as_bytes(unsigned mask, int quad) {
    return (mask >> (4 * quad) & 15u) * 0x00204081u & 0x01010101u;
  }

  void bytes(std::int64_t k, std::int64_t p, const std::int32_t* senders, int n) {
    const bool pair = how_ == Arithmetic::byte_pairs;
    const Lanes v = errors(k, p);
    for (int quad = 0; quad < 4; ++quad) {
      const std::uint32_t plus = as_bytes(v.plus, quad), minus = as_bytes(v.minus, quad);
      if ((plus | minus) == 0) continue;
      const std::uint8_t* u = in_.u.bytes + p * in_.weight.senders * lanes + 4 * quad;
      const Words a = broadcast<std::uint32_t>(pair ? plus : plus | minus * 0xffu);
      const Words b = broadcast<std::uint32_t>(minus);
      for_each_register(
          senders, n,
          [&](std::int32_t j) {
            std::uint32_t four;
            __builtin_memcpy(&four, u + std::int64_t{j} * lanes, sizeof four);
            return four;
          },
          [&](int r, Words four) {
            first_[r] = dot4(first_[r], four, a);
            if (pair) second_[r] = dot4(second_[r], four, b);
          });
    }
  }

  void reals(std::int64_t k, std::int64_t p, const std::int32_t* senders, int n) {
    const std::int64_t receiver = p * in_.weight.receivers + k, first = p * in_.weight.senders;
    for (unsigned which = erring_lanes(in_.v, receiver); which != 0; which &= which - 1) {
      const int lane = __builtin_ctz(which);
      const Floats v = broadcast<float>(error_at(in_.v, receiver, lane));
      for_each_register(
          senders, n,
          [&](std::int32_t j) {
            const float u = sender_at(in_.u, first + j, lane);
            std::uint32_t bits;
            __builtin_memcpy(&bits, &u, sizeof bits);
            return bits;
          },
          [&](int r, Words u) { first_[r] = (Words)fma((Floats)u, v, (Floats)first_[r]); });
    }
  }

  Floats finished(int r) const {
    switch (how_) {
      case Arithmetic::signs:
      case Arithmetic::bytes: return to_floats(first_[r]);
      case Arithmetic::pair_senders: return pair_sum(first_[r], in_.u.a, second_[r], in_.u.b);
      case Arithmetic::pair_errors:
      case Arithmetic::byte_pairs: return pair_sum(first_[r], in_.v.a, second_[r], in_.v.b);
      case Arithmetic::reals: return (Floats)first_[r];
    }
    __builtin_unreachable();
  }

  const SparseArguments& in_;
  Arithmetic how_;
  bool zeros_ = false;
  Words first_[stretch / words], second_[stretch / words];  // counts; reals: first_ holds numbers
};

/// The steps of columns, and of the stretches of columns without an error between them.
template <StepRule rule>
class SparseUpdate {
 public:
  explicit SparseUpdate(const SparseArguments& arguments)
      : in_(arguments), correlation_(arguments), step_(arguments.scalars) {}

  UpdateReport run() {
    const SparseWeight<float>& weight = in_.weight;
    while (fixed_ < in_.fixed.size() && fixed_at(fixed_) < weight.offsets[weight.begin]) ++fixed_;
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

  void silent_columns(std::int64_t begin, std::int64_t end) {
    const float decay = in_.scalars[1];
    if (rule == StepRule::sgd && decay == 0) return;  // nothing moves
    std::int64_t from = in_.weight.offsets[begin];
    const std::int64_t to = in_.weight.offsets[end];
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
    alignas(register_bytes) float s[SparseCorrelation::stretch];
    const std::int64_t end = in_.weight.offsets[k + 1];
    for (std::int64_t e = in_.weight.offsets[k]; e < end; e += SparseCorrelation::stretch) {
      const std::int64_t left = end - e;
      const int n = static_cast<int>(left < SparseCorrelation::stretch ? left : SparseCorrelation::stretch);
      correlation_.entries(k, in_.weight.sender + e, n, s);
      int i = 0;
      for (; i + words <= n; i += words)
        step_at(step_, parameters(), e + i, load<float>(s + i), movable(e + i), progress_);
      if (i < n) step_at(step_, parameters(), e + i, load<float>(s + i), movable(e + i), progress_, n - i);
    }
    while (fixed_ < in_.fixed.size() && fixed_at(fixed_) < end) ++fixed_;
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
  SparseCorrelation correlation_;
  Step<rule> step_;
  Progress progress_;
  std::size_t fixed_ = 0;  // the first fixed entry that is not behind
};

UpdateReport update_sparse(const SparseArguments& in) {
  return with_rule(in.rule, [&]<StepRule rule>() { return SparseUpdate<rule>(in).run(); });
}

void correlate_sparse(const SparseArguments& in, float* s) {
  SparseCorrelation correlation(in);
  const SparseWeight<float>& weight = in.weight;
  for (std::int64_t k = weight.begin; k < weight.end; ++k) {
    const bool errs = correlation.errs(k);
    const std::int64_t end = weight.offsets[k + 1];
    for (std::int64_t e = weight.offsets[k]; e < end; e += SparseCorrelation::stretch) {
      alignas(register_bytes) float part[SparseCorrelation::stretch] = {};
      const std::int64_t left = end - e;
      const int n = static_cast<int>(left < SparseCorrelation::stretch ? left : SparseCorrelation::stretch);
      if (errs) correlation.entries(k, weight.sender + e, n, part);
      for (int i = 0; i < n; ++i) s[e + i] = part[i];
    }
  }
  for (std::size_t i = 0; i < in.fixed.size(); ++i) {
    const std::int32_t at = in.fixed.data()[i];
    if (at >= weight.offsets[weight.begin] && at < weight.offsets[weight.end]) s[at] = 0;
  }
}

}  // namespace
}  // namespace relaxon
