// Correlation and step of dense weights, a sender's row at a time, receivers in the lanes.
#pragma once

#include "runtime/kernels/correlation.hpp"
#include "runtime/kernels/optimizer_step.hpp"

namespace relaxon {
namespace {

using DenseArguments = UpdateArguments<DenseWeight<float>>;

/// Registers of receivers in which any errs, by their first one, ascending.
struct ErringRegisters {
  std::int32_t* first;
  std::int64_t count;
};

/// S of one row after the other. The errors are laid out once, receivers innermost and padded, so that no row
/// has a rest to care about.
class DenseCorrelation {
 public:
  /// `errors` has the scratch memory of everything but a row of S and the registers that err.
  DenseCorrelation(const DenseArguments& arguments, const Sender& u, const Errors& v, float* errors)
      : u_(u),
        v_(v),
        panels_(arguments.panels),
        senders_(arguments.weight.senders),
        receivers_(arguments.weight.receivers),
        stride_(arguments.weight.stride),
        how_(arithmetic_of(u.kind, v.kind)),
        errors_(errors) {}

  /// To be called once, before anything else; raises the flag of every register that errs.
  void lay_out(std::int32_t* erring) {
    for (std::int64_t p = 0; p < panels_; ++p) {
      unsigned any = 0;
      for (std::int64_t k = counts() ? lay_out_registers(p, erring) : 0; k < stride_; ++k) {
        const std::int64_t i = p * receivers_ + k;
        const bool exists = k < receivers_;
        const unsigned lanes_with_error = exists ? erring_lanes(v_, i) : 0;
        any |= lanes_with_error;
        erring[k / words] |= lanes_with_error != 0;
        if (how_ == Arithmetic::reals) {
          for (int lane = 0; lane < lanes; ++lane) *sample(p, lane, k) = exists ? error_at(v_, i, lane) : 0;
        } else {
          lay_out_masks(p, k, exists ? v_.signs.plus[i] : Mask{0}, exists ? v_.signs.minus[i] : Mask{0});
        }
      }
      if (how_ == Arithmetic::reals) *samples(p) = any;
    }
  }

  Arithmetic how() const { return how_; }

  /// S of the registers that err, the others stay as they are.
  void row(std::int64_t j, ErringRegisters erring, float* s) const {
    switch (how_) {
      case Arithmetic::signs:
      case Arithmetic::pair_errors:
      case Arithmetic::pair_senders: return counted_row(j, erring, s);
      case Arithmetic::bytes: return panels_ == 1 ? bytes(j, 1, erring, s) : bytes(j, panels_, erring, s);
      case Arithmetic::byte_pairs: return byte_pairs(j, erring, s);
      case Arithmetic::reals: return reals(j, erring, s);
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
    if (one_word() && how_ != Arithmetic::pair_senders &&
        !zeros_where_erring(u_.signs, senders_, v_.signs, receivers_, panels_)) {
      const auto by_plus = [&](auto sum) {
        return run([sum, plus = u_.signs.plus, second = plus_of_second()](std::int64_t j) {
          const std::uint32_t all = plus[j] | (plus[j + second.offset] & second.lanes) << lanes;
          return [sum, up = broadcast(all)](std::int64_t k) { return sum(up, k); };
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

  /// Words that the masks of all panels take: two panels share one.
  std::int64_t words_of_panels() const { return (panels_ + 1) / 2; }
  bool one_word() const { return panels_ <= 2; }
  /// Where the masks of a second panel are, and which of their lanes count: none if there is no such panel.
  struct Second {
    std::int64_t offset;
    std::uint32_t lanes;
  };
  Second plus_of_second() const { return panels_ == 2 ? Second{senders_, 0xffff} : Second{0, 0}; }

  /// Masks of two panels, a word a receiver: of plane 0 or 1.
  std::uint32_t* masks(int plane, std::int64_t word, std::int64_t k) const {
    return reinterpret_cast<std::uint32_t*>(errors_) + (plane * words_of_panels() + word) * stride_ + k;
  }
  /// The bits of a plane, counted over all panels.
  float* totals(int plane, std::int64_t k) const {
    return errors_ + (2 * words_of_panels() + plane) * stride_ + k;
  }
  /// Values of four samples as bytes, a word a receiver.
  std::uint32_t* quads(int plane, std::int64_t panel, int quad, std::int64_t k) const {
    return reinterpret_cast<std::uint32_t*>(errors_) + ((plane * panels_ + panel) * 4 + quad) * stride_ + k;
  }
  /// Values of one sample.
  float* sample(std::int64_t panel, int lane, std::int64_t k) const {
    return errors_ + (panel * lanes + lane) * stride_ + k;
  }
  /// Samples of a panel in which any receiver errs.
  std::uint32_t* samples(std::int64_t panel) const {
    return reinterpret_cast<std::uint32_t*>(sample(panels_, 0, 0)) + panel;
  }

  /// The masks of whole registers of a panel's receivers; the first receiver behind them.
  std::int64_t lay_out_registers(std::int64_t p, std::int32_t* erring) {
    std::int64_t k = 0;
    for (; k + words <= receivers_; k += words) {
      const std::int64_t i = p * receivers_ + k;
      const Words plus = widen(v_.signs.plus + i), minus = widen(v_.signs.minus + i);
      const Words planes[] = {plus, how_ == Arithmetic::signs ? plus | minus : minus};
      for (int plane = 0; plane < 2; ++plane) {
        const bool second = p % 2 == 1;
        store(masks(plane, p / 2, k),
              second ? mask_register(plane, p / 2, k) | planes[plane] << lanes : planes[plane]);
        const Floats before = p == 0 ? Floats{} : load<float>(totals(plane, k));
        store(totals(plane, k), before + to_floats(popcount(planes[plane])));
      }
      erring[k / words] |= sign_bits((Words)((plus | minus) != 0)) != 0;
    }
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
      std::uint32_t& word = *masks(plane, p / 2, k);
      word = p % 2 == 0 ? planes[plane] : word | planes[plane] << lanes;
      *totals(plane, k) =
          (p == 0 ? 0.0f : *totals(plane, k)) + static_cast<float>(__builtin_popcount(planes[plane]));
    }
  }

  /// A sender's masks of two panels.
  Lanes sender(std::int64_t word, std::int64_t j) const {
    const std::int64_t first = 2 * word * senders_ + j, second = first + senders_;
    Lanes both{u_.signs.plus[first], u_.signs.minus[first]};
    if (2 * word + 1 < panels_) {
      both.plus |= std::uint32_t{u_.signs.plus[second]} << lanes;
      both.minus |= std::uint32_t{u_.signs.minus[second]} << lanes;
    }
    return both;
  }

  [[gnu::always_inline]] Words mask_register(int plane, std::int64_t word, std::int64_t k) const {
    return load<std::uint32_t>(masks(plane, word, k));
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
            v_a = v_.a, v_b = v_.b](Words up, std::int64_t k) {
      const auto count = [&](const std::uint32_t* bits, const float* all) {
        const Floats plus = to_floats(popcount(load<std::uint32_t>(bits + k) & up));
        return plus + plus - load<float>(all + k);
      };
      return pair_sum(count(a, count_a), v_a, count(b, count_b), v_b);
    };
  }

  [[gnu::always_inline]] Floats sign_sum(std::int64_t j, std::int64_t k) const {
    Words sum{};
    for (std::int64_t word = 0; word < words_of_panels(); ++word) {
      const Lanes u = sender(word, j);
      const Words both = mask_register(1, word, k) & broadcast<std::uint32_t>(u.plus | u.minus);
      sum = sum + sign_products(both, mask_register(0, word, k), broadcast<std::uint32_t>(u.plus));
    }
    return to_floats(sum);
  }

  /// Of pairs on one side and signs on the other: by_error tells which.
  template <bool by_error>
  [[gnu::always_inline]] Floats pair_sum_of(std::int64_t j, std::int64_t k) const {
    PairCounts<by_error> counts;
    for (std::int64_t word = 0; word < words_of_panels(); ++word) {
      const Lanes u = sender(word, j);
      counts.add(mask_register(0, word, k), mask_register(1, word, k), broadcast<std::uint32_t>(u.plus),
                 broadcast<std::uint32_t>(u.minus));
    }
    return counts.sum(u_, v_);
  }

  void counted_row(std::int64_t j, ErringRegisters erring, float* s) const {
    for (std::int64_t i = 0; i < erring.count; ++i) {
      const std::int64_t k = erring.first[i];
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
        __builtin_memcpy(&u, u_.bytes + (p * senders_ + j) * lanes + quad * 4, sizeof u);
        sum = dot4(sum, broadcast<std::uint32_t>(u), load<std::uint32_t>(quads(plane, p, quad, k)));
      }
    }
    return sum;
  }

  [[gnu::always_inline]] void bytes(std::int64_t j, std::int64_t panels, ErringRegisters erring,
                                    float* s) const {
    for (std::int64_t i = 0; i < erring.count; ++i) {
      const std::int64_t k = erring.first[i];
      store(s + k, to_floats(byte_sum(j, panels, 0, k)));
    }
  }

  void byte_pairs(std::int64_t j, ErringRegisters erring, float* s) const {
    for (std::int64_t i = 0; i < erring.count; ++i) {
      const std::int64_t k = erring.first[i];
      store(s + k, pair_sum(byte_sum(j, panels_, 0, k), v_.a, byte_sum(j, panels_, 1, k), v_.b));
    }
  }

  /// Registers of receivers whose chains run side by side.
  static constexpr std::int64_t chains = 4;

  /// The chains of registers, over the samples of a panel that any receiver errs in: others add 0.
  template <std::size_t... c>
  [[gnu::always_inline]] void real_tile(const float* u, std::int64_t p, const std::int32_t* first, float* s,
                                        std::index_sequence<c...>) const {
    Floats sum[sizeof...(c)] = {load<float>(s + first[c])...};
    for (std::uint32_t left = *samples(p); left != 0; left &= left - 1) {
      const int lane = __builtin_ctz(left);
      const Floats value = broadcast<float>(u[lane]);
      const float* v = sample(p, lane, 0);
      ((sum[c] = fma(value, load<float>(v + first[c]), sum[c])), ...);
    }
    ((store(s + first[c], sum[c])), ...);
  }

  void reals(std::int64_t j, ErringRegisters erring, float* s) const {
    for (std::int64_t i = 0; i < erring.count; ++i) store(s + erring.first[i], Floats{});
    for (std::int64_t p = 0; p < panels_; ++p) {
      float u[lanes];
      for (int lane = 0; lane < lanes; ++lane) u[lane] = sender_at(u_, p * senders_ + j, lane);
      std::int64_t i = 0;
      for (; i + chains <= erring.count; i += chains)
        real_tile(u, p, erring.first + i, s, std::make_index_sequence<chains>());
      for (; i < erring.count; ++i) real_tile(u, p, erring.first + i, s, std::make_index_sequence<1>());
    }
  }

  Sender u_;
  Errors v_;
  std::int64_t panels_, senders_, receivers_, stride_;
  Arithmetic how_;
  float* errors_;
};

/// S of an update: of one correlation, or the difference of two.
class DenseSums {
 public:
  explicit DenseSums(const DenseArguments& in)
      : receivers_(in.weight.receivers),
        row_(in.scratch),
        other_(errors_of(in, 1) - in.weight.stride),
        difference_(in.less != nullptr),
        from_(in, in.u, in.v, errors_of(in, 0)),
        less_(in, in.less ? in.less->u : in.u, in.less ? in.less->v : in.v, errors_of(in, 1)) {
    const std::int64_t stride = in.weight.stride;
    erring_.first = reinterpret_cast<std::int32_t*>(in.scratch + stride);
    for (std::int64_t i = 0; i < stride; ++i) row_[i] = 0;
    for (std::int64_t i = 0; i < stride / words; ++i) erring_.first[i] = 0;
    from_.lay_out(erring_.first);
    if (difference_) less_.lay_out(erring_.first);
    erring_.count = 0;
    for (std::int64_t i = 0; i < stride / words; ++i) {
      const bool errs = erring_.first[i] != 0;
      erring_.first[erring_.count] = static_cast<std::int32_t>(i * words);
      erring_.count += errs;
    }
  }

  ErringRegisters erring() const { return erring_; }
  /// Whether registers without an error are many enough to be looked for.
  bool few() const { return erring_.count * words * 4 < receivers_ * 3; }

  /// Whether a sum of 0 is always +0.
  bool plus_zero() const { return from_.how() == Arithmetic::signs; }

  /// Row j, in memory of its own.
  const float* row(std::int64_t j) const {
    from_.row(j, erring_, row_);
    if (difference_) subtract(j);
    return row_;
  }

  /// As DenseCorrelation has it: runs with a function of j that gives a function of k.
  template <class Run>
  UpdateReport with_sums(Run run) const {
    if (erring_.count == 0) return run([](std::int64_t) { return [](std::int64_t) { return Floats{}; }; });
    if (!difference_ && from_.counts()) return from_.with_counts(run);
    return run(
        [this](std::int64_t j) { return [s = row(j)](std::int64_t k) { return load<float>(s + k); }; });
  }

 private:
  /// The scratch memory of each correlation, behind that of a row and the registers that err.
  static float* errors_of(const DenseArguments& in, std::int64_t correlation) {
    const std::int64_t each = update_scratch(in.u.kind, in.v.kind, in.panels, in.weight.stride);
    return in.scratch + correlation * each + 2 * in.weight.stride;
  }

  void subtract(std::int64_t j) const {
    less_.row(j, erring_, other_);
    for (std::int64_t i = 0; i < erring_.count; ++i) {
      const std::int64_t k = erring_.first[i];
      store(row_ + k, load<float>(row_ + k) - load<float>(other_ + k));
    }
  }

  std::int64_t receivers_;
  float *row_, *other_;  // a row of each correlation
  bool difference_;
  DenseCorrelation from_, less_;
  ErringRegisters erring_{};
};

/// Whether what fills rows up to their stride may take part in steps: of weight, moments and S that are all 0
/// comes 0.
template <StepRule rule>
bool zeros_stay(const float* scalars) {
  return !Step<rule>::is_adam || scalars[8] > 0;
}

/// The steps of one row up to receiver `end`; s_of(k) is S of the register of receivers from k on.
template <class Step, class Progress, class Sum>
[[gnu::always_inline]] inline void step_row(const Step& step, Parameters to, const DenseArguments& in,
                                            std::int64_t j, std::int64_t end, Progress& progress, Sum s_of) {
  const std::int64_t whole = end / words * words;
  // The register with the weight that stays.
  const std::int64_t fixed = in.fixed_diagonal && j < in.weight.receivers ? j / words * words : -1;
  for (std::int64_t k = 0; k < end; k += words) {
    const std::int64_t stop = k <= fixed ? fixed : whole;
    step_registers(step, to, k, stop, progress, s_of);
    k = k < stop ? stop : k;
    if (k >= end) break;
    const std::int64_t left = end - k;
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
  const bool padded = zeros_stay<rule>(in.scalars);
  Progress<rule> progress;
  if (padded && weight.stride == words && !in.fixed_diagonal) {
    // A row is a register: the loop over registers takes all rows.
    step_registers(
        step, to, weight.first_sender * words, weight.last_sender * words,
        progress, [&](std::int64_t at) __attribute__((always_inline)) { return s_of(at / words)(0); });
    return progress.report();
  }
  const std::int64_t end = padded ? weight.stride : weight.receivers;
  for (std::int64_t j = weight.first_sender; j < weight.last_sender; ++j)
    step_row(step, to.from(j * weight.stride), in, j, end, progress, s_of(j));
  return progress.report();
}

/// The steps of the registers that err, where all others stay as they are.
template <class Sum>
[[gnu::always_inline]] inline UpdateReport descend(const DenseArguments in, const ErringRegisters erring,
                                                   Sum s_of) {
  const Step<StepRule::sgd> step(in.scalars);
  const DenseWeight<float>& weight = in.weight;
  const Parameters all(weight.entries, in.moments, in.q);
  Progress<StepRule::sgd> progress;
  for (std::int64_t j = weight.first_sender; j < weight.last_sender; ++j) {
    const Parameters to = all.from(j * weight.stride);
    const auto s = s_of(j);
    for (std::int64_t i = 0; i < erring.count; ++i) {
      const std::int64_t k = erring.first[i], left = weight.receivers - k;
      unsigned movable = (1u << (left < words ? left : words)) - 1u;
      if (in.fixed_diagonal && j >= k && j < k + words) movable &= ~(1u << (j - k));
      step_at(step, to, k, s(k), lanes_of<Words>(movable), progress);
    }
  }
  return progress.report();
}

template <StepRule rule>
UpdateReport update_dense_by(const DenseArguments& in) {
  const DenseSums sums(in);
  if constexpr (rule == StepRule::sgd) {
    // Without an error nothing moves.
    if (in.scalars[1] == 0 && sums.few())
      return sums.with_sums([&](auto s_of) { return descend(in, sums.erring(), s_of); });
  } else {
    if (sums.plus_zero() && in.scalars[0] >= 0)
      return sums.with_sums([&](auto s_of) { return step_rows<rule, true>(in, s_of); });
  }
  return sums.with_sums([&](auto s_of) { return step_rows<rule, false>(in, s_of); });
}

UpdateReport update_dense(const DenseArguments& in) {
  return with_rule(in.rule, [&]<StepRule rule>() { return update_dense_by<rule>(in); });
}

void correlate_dense(const DenseArguments& in, float* s) {
  const DenseSums sums(in);
  const DenseWeight<float>& weight = in.weight;
  s += weight.first_sender * weight.stride;
  for (std::int64_t j = weight.first_sender; j < weight.last_sender; ++j, s += weight.stride) {
    const float* row = sums.row(j);
    for (std::int64_t k = 0; k < weight.stride; ++k) s[k] = k < weight.receivers ? row[k] : 0;
    if (in.fixed_diagonal && j < weight.receivers) s[j] = 0;
  }
}

}  // namespace
}  // namespace relaxon
