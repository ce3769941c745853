// Correlation and step of sparse weights, a receiver's column at a time, entries in the lanes.
#pragma once

#include "runtime/kernels/correlation.hpp"
#include "runtime/kernels/optimizer_step.hpp"

namespace relaxon {
namespace {

using SparseArguments = UpdateArguments<SparseWeight<float>>;

constexpr int piece = 64;  // entries of a column whose S is held at a time

/// S of pieces of columns.
class SparseCorrelation {
 public:
  explicit SparseCorrelation(const SparseArguments& arguments)
      : in_(arguments), how_(arithmetic_of(arguments.u.kind, arguments.v.kind)) {}

  bool errs(std::int64_t k) const {
    unsigned any = 0;
    for (std::int64_t p = 0; p < in_.panels; ++p) any |= erring_lanes(in_.v, p * in_.weight.receivers + k);
    return any != 0;
  }

  /// S of the n <= piece entries of column k from `e` on; s holds `piece` numbers.
  void entries(std::int64_t k, std::int64_t e, int n, float* s) const {
    const std::int32_t* sender = in_.weight.sender + e;
    switch (how_) {
      case Arithmetic::signs: return in_.panels == 1 ? signs(k, 1, sender, n, s) : signs(k, in_.panels, sender, n, s);
      case Arithmetic::pair_errors: return pair_errors(k, sender, n, s);
      case Arithmetic::pair_senders: return pair_senders(k, sender, n, s);
      case Arithmetic::bytes: return bytes(k, sender, n, s);
      case Arithmetic::byte_pairs: return byte_pairs(k, sender, n, s);
      case Arithmetic::reals: return reals(k, sender, n, s);
    }
  }

 private:
  struct Lanes {
    unsigned plus, minus;
  };
  Lanes errors(std::int64_t k, std::int64_t p) const {
    const std::int64_t i = p * in_.weight.receivers + k;
    return {in_.v.signs.plus[i], in_.v.signs.minus[i]};
  }
  Lanes senders(std::int64_t j, std::int64_t p) const {
    const std::int64_t i = p * in_.weight.senders + j;
    return {in_.u.signs.plus[i], in_.u.signs.minus[i]};
  }
  static std::int32_t count(unsigned lanes_of_sum) { return __builtin_popcount(lanes_of_sum); }

  [[gnu::always_inline]] void signs(std::int64_t k, std::int64_t panels, const std::int32_t* sender, int n,
                                    float* s) const {
    std::int32_t sum[piece];
    for (std::int64_t p = 0; p < panels; ++p) {
      const Lanes v = errors(k, p);
      for (int i = 0; i < n; ++i) {
        const Lanes u = senders(sender[i], p);
        const unsigned both = (v.plus | v.minus) & (u.plus | u.minus);
        sum[i] = (p == 0 ? 0 : sum[i]) + count(both) - 2 * count(both & (v.plus ^ u.plus));
      }
    }
    for (int i = 0; i < n; ++i) s[i] = static_cast<float>(sum[i]);
  }

  /// fma(a, n_a, f32(b n_b)) of every entry.
  static void finish(const std::int32_t* n_a, float a, const std::int32_t* n_b, float b, float* s) {
    for (int i = 0; i < piece; i += words) {
      store(s + i, pair_sum(load<std::uint32_t>(n_a + i), a, load<std::uint32_t>(n_b + i), b));
    }
  }

  void pair_errors(std::int64_t k, const std::int32_t* sender, int n, float* s) const {
    std::int32_t n_a[piece] = {}, n_b[piece] = {};
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      const Lanes v = errors(k, p);
      for (int i = 0; i < n; ++i) {
        const Lanes u = senders(sender[i], p);
        n_a[i] += count(v.plus & u.plus) - count(v.plus & u.minus);
        n_b[i] += count(v.minus & u.plus) - count(v.minus & u.minus);
      }
    }
    finish(n_a, in_.v.a, n_b, in_.v.b, s);
  }

  void pair_senders(std::int64_t k, const std::int32_t* sender, int n, float* s) const {
    std::int32_t n_a[piece] = {}, n_b[piece] = {};
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      const Lanes v = errors(k, p);
      for (int i = 0; i < n; ++i) {
        const Lanes u = senders(sender[i], p);
        n_a[i] += count(v.plus & u.plus) - count(v.minus & u.plus);
        n_b[i] += count(v.plus & u.minus) - count(v.minus & u.minus);
      }
    }
    finish(n_a, in_.u.a, n_b, in_.u.b, s);
  }

  /// sum += sign * the bytes of the lanes in `which`, for every entry. Errors are few: a lane at a time.
  void add_bytes(unsigned which, std::int64_t p, const std::int32_t* sender, int n, std::int32_t sign,
                 std::int32_t* sum) const {
    for (; which != 0; which &= which - 1) {
      const std::uint8_t* u = in_.u.bytes + p * in_.weight.senders * lanes + __builtin_ctz(which);
      for (int i = 0; i < n; ++i) sum[i] += sign * u[std::int64_t{sender[i]} * lanes];
    }
  }

  void bytes(std::int64_t k, const std::int32_t* sender, int n, float* s) const {
    std::int32_t sum[piece] = {};
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      const Lanes v = errors(k, p);
      add_bytes(v.plus, p, sender, n, 1, sum);
      add_bytes(v.minus, p, sender, n, -1, sum);
    }
    for (int i = 0; i < n; ++i) s[i] = static_cast<float>(sum[i]);
  }

  void byte_pairs(std::int64_t k, const std::int32_t* sender, int n, float* s) const {
    std::int32_t n_a[piece] = {}, n_b[piece] = {};
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      const Lanes v = errors(k, p);
      add_bytes(v.plus, p, sender, n, 1, n_a);
      add_bytes(v.minus, p, sender, n, 1, n_b);
    }
    finish(n_a, in_.v.a, n_b, in_.v.b, s);
  }

  void reals(std::int64_t k, const std::int32_t* sender, int n, float* s) const {
    for (int i = 0; i < n; ++i) s[i] = 0;
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      const std::int64_t receiver = p * in_.weight.receivers + k, first = p * in_.weight.senders;
      for (unsigned which = erring_lanes(in_.v, receiver); which != 0; which &= which - 1) {
        const int lane = __builtin_ctz(which);
        add_products(error_at(in_.v, receiver, lane), first, lane, sender, n, s);
      }
    }
  }

  /// s = fma(u, v, s) of one sample.
  void add_products(float v, std::int64_t first, int lane, const std::int32_t* sender, int n, float* s) const {
    int i = 0;
    if (in_.u.kind == Sender::Kind::real) {
      const float* u = in_.u.real + first * lanes + lane;
      for (; i + words <= n; i += words) {
        const Floats values = gather(u, load<std::int32_t>(sender + i) * static_cast<std::int32_t>(lanes));
        store(s + i, fma(values, broadcast<float>(v), load<float>(s + i)));
      }
    }
    for (; i < n; ++i) s[i] = __builtin_fmaf(sender_at(in_.u, first + sender[i], lane), v, s[i]);
  }

  const SparseArguments& in_;
  Arithmetic how_;
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
    float s[piece] = {};
    for (std::int64_t e = in_.weight.offsets[k]; e < in_.weight.offsets[k + 1]; e += piece) {
      const std::int64_t left = in_.weight.offsets[k + 1] - e;
      const int n = static_cast<int>(left < piece ? left : piece);
      if (errs) correlation_.entries(k, e, n, s);
      int i = 0;
      for (; i + words <= n; i += words) {
        step_at(step_, parameters(), e + i, load<float>(s + i), movable(k, load<std::int32_t>(in_.weight.sender + e + i)),
                progress_);
      }
      if (i == n) continue;
      const Ints senders = load_first(in_.weight.sender + e + i, n - i);
      step_at(step_, parameters(), e + i, load<float>(s + i), movable(k, senders), progress_, n - i);
    }
  }

  LaneSet<Words> movable(std::int64_t k, Ints senders) const {
    return differing(senders, broadcast<std::int32_t>(in_.fixed_diagonal ? static_cast<std::int32_t>(k) : -1));
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
  const SparseCorrelation correlation(in);
  const SparseWeight<float>& weight = in.weight;
  for (std::int64_t k = 0; k < weight.receivers; ++k) {
    const bool errs = correlation.errs(k);
    for (std::int64_t e = weight.offsets[k]; e < weight.offsets[k + 1]; e += piece) {
      const std::int64_t left = weight.offsets[k + 1] - e;
      const int n = static_cast<int>(left < piece ? left : piece);
      float part[piece] = {};
      if (errs) correlation.entries(k, e, n, part);
      for (int i = 0; i < n; ++i) s[e + i] = in.fixed_diagonal && weight.sender[e + i] == k ? 0.0f : part[i];
    }
  }
}

}  // namespace
}  // namespace relaxon
