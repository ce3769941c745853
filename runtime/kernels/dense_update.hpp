// Correlation and step of dense weights, a sender's row at a time, receivers in the lanes.
#pragma once

#include "runtime/kernels/correlation.hpp"
#include "runtime/kernels/optimizer_step.hpp"

namespace relaxon {
namespace {

using DenseArguments = UpdateArguments<DenseWeight<float>>;

/// S of one row after the other. The errors are laid out once, receivers innermost and padded, so that no row
/// has a rest to care about.
class DenseCorrelation {
 public:
  /// `row` holds a row of S, `errors` the rest of the scratch memory.
  explicit DenseCorrelation(const DenseArguments& arguments)
      : in_(arguments),
        how_(arithmetic_of(arguments.u.kind, arguments.v.kind)),
        errors_(arguments.scratch + arguments.weight.stride) {
    lay_out();
  }

  /// Whether any of the receivers at hand errs.
  bool any() const { return any_; }

  /// Whether a sum of 0 is always +0.
  bool plus_zero() const { return how_ == Arithmetic::signs; }

  void row(std::int64_t j, float* s) const {
    switch (how_) {
      case Arithmetic::signs:
      case Arithmetic::pair_errors:
      case Arithmetic::pair_senders: return counted_row(j, s);
      case Arithmetic::bytes: return one_panel() ? bytes(j, 1, s) : bytes(j, in_.panels, s);
      case Arithmetic::byte_pairs: return byte_pairs(j, s);
      case Arithmetic::reals: return reals(j, s);
    }
  }

  /// Whether a row's S is counted from bits, cheaply enough to be asked for a register at a time.
  bool counts() const { return counts_bits(how_); }
  /// If counts(): what run returns of a function of a row j that gives a function of k, row j's S of the
  /// register of receivers from k on.
  template <class Run>
  auto with_counts(Run run) const {
    const auto by_row = [&](auto sum) {
      return run([sum](std::int64_t j) { return [sum, j](std::int64_t k) { return sum(j, k); }; });
    };
    if (one_panel() && how_ != Arithmetic::pair_senders && !zeros_where_erring(in_)) {
      const auto by_plus = [&](auto sum) {
        return run([sum, plus = in_.u.signs.plus](std::int64_t j) {
          return [sum, up = broadcast<std::uint32_t>(plus[j])](std::int64_t k) { return sum(up, k); };
        });
      };
      return how_ == Arithmetic::signs ? by_plus(sign_sums()) : by_plus(pair_error_sums());
    }
    if (how_ == Arithmetic::signs) return by_row([this](auto j, auto k) { return sign_sum(j, k); });
    if (how_ == Arithmetic::pair_errors) {
      return by_row([this](auto j, auto k) { return pair_sum_of<true>(j, k); });
    }
    return by_row([this](auto j, auto k) { return pair_sum_of<false>(j, k); });
  }

 private:
  struct Lanes {
    std::uint32_t plus, minus;
  };

  bool one_panel() const { return in_.panels == 1; }
  std::int64_t receivers() const { return in_.weight.receivers; }
  std::int64_t first() const { return in_.weight.begin; }
  std::int64_t last() const { return in_.weight.end; }
  std::int64_t stride() const { return in_.weight.stride; }

  /// Masks of one panel, a word a receiver: of plane 0 or 1.
  std::uint32_t* masks(int plane, std::int64_t panel, std::int64_t k) const {
    return reinterpret_cast<std::uint32_t*>(errors_) + (plane * in_.panels + panel) * stride() + k;
  }
  /// The bits of a plane, counted over all panels.
  float* totals(int plane, std::int64_t k) const { return errors_ + (2 * in_.panels + plane) * stride() + k; }
  /// Values of four samples as bytes, a word a receiver.
  std::uint32_t* quads(int plane, std::int64_t panel, int quad, std::int64_t k) const {
    return reinterpret_cast<std::uint32_t*>(errors_) + ((plane * in_.panels + panel) * 4 + quad) * stride() +
           k;
  }
  /// Values of one sample.
  float* sample(std::int64_t panel, int lane, std::int64_t k) const {
    return errors_ + (panel * lanes + lane) * stride() + k;
  }

  void lay_out() {
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      // Behind the last receiver up to the end of its register.
      for (std::int64_t k = counts() ? lay_out_registers(p) : first(); k < row_stride(last()); ++k) {
        const std::int64_t i = p * receivers() + k;
        const bool exists = k < receivers();
        any_ |= exists && erring_lanes(in_.v, i) != 0;
        if (how_ == Arithmetic::reals) {
          for (int lane = 0; lane < lanes; ++lane)
            *sample(p, lane, k) = exists ? error_at(in_.v, i, lane) : 0.0f;
        } else {
          lay_out_masks(p, k, exists ? in_.v.signs.plus[i] : Mask{0},
                        exists ? in_.v.signs.minus[i] : Mask{0});
        }
      }
    }
  }

  /// The masks of whole registers of a panel's receivers; the first receiver behind them.
  std::int64_t lay_out_registers(std::int64_t p) {
    Words erring{};
    std::int64_t k = first();
    for (; k + words <= last(); k += words) {
      const std::int64_t i = p * receivers() + k;
      const Words plus = widen(in_.v.signs.plus + i), minus = widen(in_.v.signs.minus + i);
      erring = erring | plus | minus;
      const Words planes[] = {plus, how_ == Arithmetic::signs ? plus | minus : minus};
      for (int plane = 0; plane < 2; ++plane) {
        store(masks(plane, p, k), planes[plane]);
        const Floats before = p == 0 ? Floats{} : load<float>(totals(plane, k));
        store(totals(plane, k), before + to_floats(popcount(planes[plane])));
      }
    }
    for (int i = 0; i < words; ++i) any_ |= erring[i] != 0;
    return k;
  }

  void lay_out_masks(std::int64_t p, std::int64_t k, std::uint32_t plus, std::uint32_t minus) {
    if (how_ == Arithmetic::bytes || how_ == Arithmetic::byte_pairs) {
      const bool pair = how_ == Arithmetic::byte_pairs;
      for (int quad = 0; quad < 4; ++quad) {
        const std::uint32_t up = plus >> (4 * quad), down = minus >> (4 * quad);
        *quads(0, p, quad, k) = signed_bytes(up, pair ? 0 : down);
        if (pair) *quads(1, p, quad, k) = signed_bytes(down, 0);
      }
      return;
    }
    const std::uint32_t second = how_ == Arithmetic::signs ? plus | minus : minus;
    const std::uint32_t planes[] = {plus, second};
    for (int plane = 0; plane < 2; ++plane) {
      *masks(plane, p, k) = planes[plane];
      *totals(plane, k) =
          (p == 0 ? 0.0f : *totals(plane, k)) + static_cast<float>(__builtin_popcount(planes[plane]));
    }
  }

  Lanes sender(std::int64_t p, std::int64_t j) const {
    const std::int64_t i = p * in_.weight.senders + j;
    return {in_.u.signs.plus[i], in_.u.signs.minus[i]};
  }

  [[gnu::always_inline]] Words mask_register(int plane, std::int64_t p, std::int64_t k) const {
    return load<std::uint32_t>(masks(plane, p, k));
  }

  /// For a sender that is never 0: the product is 1, less 2 where the signs differ.
  auto sign_sums() const {
    return [plus = masks(0, 0, 0), both = masks(1, 0, 0), count = totals(1, 0)](Words up, std::int64_t k) {
      return sign_products(load<std::uint32_t>(both + k), load<std::uint32_t>(plus + k), up,
                           load<float>(count + k));
    };
  }
  /// Of the lanes with an error as many are +1 as are not -1.
  auto pair_error_sums() const {
    return [a = masks(0, 0, 0), b = masks(1, 0, 0), count_a = totals(0, 0), count_b = totals(1, 0),
            v_a = in_.v.a, v_b = in_.v.b](Words up, std::int64_t k) {
      const auto count = [&](const std::uint32_t* bits, const float* all) {
        const Floats plus = to_floats(popcount(load<std::uint32_t>(bits + k) & up));
        return plus + plus - load<float>(all + k);
      };
      return pair_sum(count(a, count_a), v_a, count(b, count_b), v_b);
    };
  }

  [[gnu::always_inline]] Floats sign_sum(std::int64_t j, std::int64_t k) const {
    Words sum{};
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      const Lanes u = sender(p, j);
      const Words both = mask_register(1, p, k) & broadcast<std::uint32_t>(u.plus | u.minus);
      sum = sum + sign_products(both, mask_register(0, p, k), broadcast<std::uint32_t>(u.plus));
    }
    return to_floats(sum);
  }

  /// Of pairs on one side and signs on the other: by_error tells which.
  template <bool by_error>
  [[gnu::always_inline]] Floats pair_sum_of(std::int64_t j, std::int64_t k) const {
    PairCounts<by_error> counts;
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      const Lanes u = sender(p, j);
      counts.add(mask_register(0, p, k), mask_register(1, p, k), broadcast<std::uint32_t>(u.plus),
                 broadcast<std::uint32_t>(u.minus));
    }
    return counts.sum(in_);
  }

  void counted_row(std::int64_t j, float* s) const {
    for (std::int64_t k = first(); k < last(); k += words) {
      store(s + k, how_ == Arithmetic::signs         ? sign_sum(j, k)
                   : how_ == Arithmetic::pair_errors ? pair_sum_of<true>(j, k)
                                                     : pair_sum_of<false>(j, k));
    }
  }

  [[gnu::always_inline]] Words byte_sum(std::int64_t j, std::int64_t panels, int plane,
                                        std::int64_t k) const {
    Words sum{};
    for (std::int64_t p = 0; p < panels; ++p) {
      for (int quad = 0; quad < 4; ++quad) {
        std::uint32_t u;
        __builtin_memcpy(&u, in_.u.bytes + (p * in_.weight.senders + j) * lanes + quad * 4, sizeof u);
        sum = dot4(sum, broadcast<std::uint32_t>(u), load<std::uint32_t>(quads(plane, p, quad, k)));
      }
    }
    return sum;
  }

  [[gnu::always_inline]] void bytes(std::int64_t j, std::int64_t panels, float* s) const {
    for (std::int64_t k = first(); k < last(); k += words) store(s + k, to_floats(byte_sum(j, panels, 0, k)));
  }

  void byte_pairs(std::int64_t j, float* s) const {
    for (std::int64_t k = first(); k < last(); k += words) {
      store(s + k, pair_sum(byte_sum(j, in_.panels, 0, k), in_.v.a, byte_sum(j, in_.panels, 1, k), in_.v.b));
    }
  }

  /// Registers of receivers whose chains run side by side.
  static constexpr std::int64_t chains = 4;

  template <std::size_t... c>
  [[gnu::always_inline]] void real_tile(const float* u, std::int64_t p, std::int64_t k, float* s,
                                        std::index_sequence<c...>) const {
    Floats sum[sizeof...(c)] = {load<float>(s + k + static_cast<std::int64_t>(c) * words)...};
    for (int lane = 0; lane < lanes; ++lane) {
      const Floats value = broadcast<float>(u[lane]);
      const float* v = sample(p, lane, k);
      ((sum[c] = fma(value, load<float>(v + static_cast<std::int64_t>(c) * words), sum[c])), ...);
    }
    ((store(s + k + static_cast<std::int64_t>(c) * words, sum[c])), ...);
  }

  void reals(std::int64_t j, float* s) const {
    for (std::int64_t k = first(); k < last(); k += words) store(s + k, Floats{});
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      float u[lanes];
      for (int lane = 0; lane < lanes; ++lane) u[lane] = sender_at(in_.u, p * in_.weight.senders + j, lane);
      std::int64_t k = first();
      for (; k + chains * words <= last(); k += chains * words) {
        real_tile(u, p, k, s, std::make_index_sequence<chains>());
      }
      for (; k < last(); k += words) real_tile(u, p, k, s, std::make_index_sequence<1>());
    }
  }

  const DenseArguments& in_;
  Arithmetic how_;
  float* errors_;
  bool any_ = false;
};

/// The steps of one row; s_of(k) is S of the register of receivers from k on.
template <class Step, class Progress, class Sum>
[[gnu::always_inline]] inline void step_row(const Step& step, Parameters to, const DenseArguments& in,
                                            std::int64_t j, Progress& progress, Sum s_of) {
  const std::int64_t begin = in.weight.begin, receivers = in.weight.end,
                     whole = begin + (receivers - begin) / words * words;
  // The register with the weight that stays.
  const bool stays = in.fixed_diagonal && j >= begin && j < receivers;
  const std::int64_t fixed = stays ? j / words * words : -1;
  for (std::int64_t k = begin; k < receivers; k += words) {
    const std::int64_t end = k <= fixed ? fixed : whole;
    step_registers(step, to, k, end, progress, s_of);
    k = k < end ? end : k;
    if (k >= receivers) break;
    const std::int64_t left = receivers - k;
    unsigned movable = (1u << (left < words ? left : words)) - 1u;
    if (k == fixed) movable &= ~(1u << (j - k));
    step_at(step, to, k, s_of(k), lanes_of<Words>(movable), progress);
  }
}

/// The steps of all rows; s_of(j, k) is S of a register of row j. By value: of what others can see the
/// compiler keeps nothing in registers.
template <StepRule rule, bool plus_zero, class Sum>
[[gnu::always_inline]] inline UpdateReport step_rows(const DenseArguments in, Sum s_of) {
  const Step<rule, plus_zero> step(in.scalars);
  const DenseWeight<float>& weight = in.weight;
  const Parameters to(weight.entries, in.moments, in.q);
  Progress<rule> progress;
  for (std::int64_t j = weight.first_sender; j < weight.last_sender; ++j)
    step_row(step, to.from(j * weight.stride), in, j, progress, s_of(j));
  return progress.report();
}

template <StepRule rule, bool plus_zero>
UpdateReport update_rows(const DenseArguments& in, const DenseCorrelation& correlation) {
  if (!correlation.any()) {
    return step_rows<rule, plus_zero>(in, [](std::int64_t) { return [](std::int64_t) { return Floats{}; }; });
  }
  if (correlation.counts()) {
    return correlation.with_counts([&](auto s_of) { return step_rows<rule, plus_zero>(in, s_of); });
  }
  float* s = in.scratch;
  return step_rows<rule, plus_zero>(in, [&](std::int64_t j) {
    correlation.row(j, s);
    return [s](std::int64_t k) { return load<float>(s + k); };
  });
}

template <StepRule rule>
UpdateReport update_dense_by(const DenseArguments& in) {
  const DenseCorrelation correlation(in);
  if constexpr (rule == StepRule::sgd) {
    if (in.scalars[1] == 0 && !correlation.any()) return {0, true};  // without an error nothing moves
  } else {
    if (correlation.plus_zero() && in.scalars[0] >= 0) return update_rows<rule, true>(in, correlation);
  }
  return update_rows<rule, false>(in, correlation);
}

UpdateReport update_dense(const DenseArguments& in) {
  return with_rule(in.rule, [&]<StepRule rule>() { return update_dense_by<rule>(in); });
}

void correlate_dense(const DenseArguments& in, float* s) {
  const DenseCorrelation correlation(in);
  const DenseWeight<float>& weight = in.weight;
  s += weight.first_sender * weight.stride;
  for (std::int64_t j = weight.first_sender; j < weight.last_sender; ++j, s += weight.stride) {
    correlation.row(j, s);
    for (std::int64_t k = weight.receivers; k < weight.stride; ++k) s[k] = 0;
    if (in.fixed_diagonal && j < weight.receivers) s[j] = 0;
  }
}

}  // namespace
}  // namespace relaxon
