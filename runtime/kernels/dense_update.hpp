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
        errors_(reinterpret_cast<unsigned char*>(arguments.scratch + arguments.weight.stride)) {
    lay_out();
  }

  /// Whether there is any error at all.
  bool any() const { return any_; }

  /// Whether signs_of() gives a row's S, cheaply enough to be asked for a register at a time.
  bool in_registers() const { return how_ == Arithmetic::signs && in_.panels == 1; }
  [[gnu::always_inline]] Floats signs_of(std::int64_t j, std::int64_t k) const {
    return to_floats(sign_sum(j, 1, k));
  }

  void row(std::int64_t j, float* s) const {
    switch (how_) {
      case Arithmetic::signs: return signs(j, s);
      case Arithmetic::pair_errors: return pair_errors(j, s);
      case Arithmetic::pair_senders: return pair_senders(j, s);
      case Arithmetic::bytes: return one_panel() ? bytes(j, 1, s) : bytes(j, in_.panels, s);
      case Arithmetic::byte_pairs: return byte_pairs(j, s);
      case Arithmetic::reals: return reals(j, s);
    }
  }

 private:
  bool one_panel() const { return in_.panels == 1; }
  std::int64_t receivers() const { return in_.weight.receivers; }
  std::int64_t stride() const { return in_.weight.stride; }

  /// Masks of register k of a panel: plane 0 or 1.
  unsigned char* masks(int plane, std::int64_t panel, std::int64_t k) const {
    return errors_ + ((plane * in_.panels + panel) * stride() + k) * static_cast<std::int64_t>(sizeof(Mask));
  }
  /// Values of four samples as bytes, a word a receiver.
  unsigned char* quads(int plane, std::int64_t panel, int quad, std::int64_t k) const {
    return errors_ + (((plane * in_.panels + panel) * 4 + quad) * stride() + k) * 4;
  }
  /// Values of one sample.
  float* sample(std::int64_t panel, int lane, std::int64_t k) const {
    return in_.scratch + stride() + (panel * lanes + lane) * stride() + k;
  }

  void lay_out() {
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      for (std::int64_t k = 0; k < stride(); ++k) {
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

  void lay_out_masks(std::int64_t p, std::int64_t k, Mask plus, Mask minus) {
    if (how_ == Arithmetic::bytes || how_ == Arithmetic::byte_pairs) {
      const bool pair = how_ == Arithmetic::byte_pairs;
      for (int lane = 0; lane < lanes; ++lane) {
        const int up = plus >> lane & 1, down = minus >> lane & 1;
        quads(0, p, lane / 4, k)[lane % 4] = static_cast<unsigned char>(pair ? up : up - down);
        if (pair) quads(1, p, lane / 4, k)[lane % 4] = static_cast<unsigned char>(down);
      }
      return;
    }
    const Mask second = how_ == Arithmetic::signs ? static_cast<Mask>(plus | minus) : minus;
    __builtin_memcpy(masks(0, p, k), &plus, sizeof plus);
    __builtin_memcpy(masks(1, p, k), &second, sizeof second);
  }

  [[gnu::always_inline]] Words sign_sum(std::int64_t j, std::int64_t panels, std::int64_t k) const {
    Words sum{};
    for (std::int64_t p = 0; p < panels; ++p) {
      const std::uint32_t up = in_.u.signs.plus[p * in_.weight.senders + j];
      const std::uint32_t down = in_.u.signs.minus[p * in_.weight.senders + j];
      // Where neither is 0 the product is 1, less 2 where the signs differ.
      const Words both = widen(masks(1, p, k)) & broadcast<std::uint32_t>(up | down);
      const Words differ = both & (widen(masks(0, p, k)) ^ broadcast<std::uint32_t>(up));
      sum = sum + popcount(both) - (popcount(differ) << 1);
    }
    return sum;
  }

  void signs(std::int64_t j, float* s) const {
    for (std::int64_t k = 0; k < receivers(); k += words) store(s + k, to_floats(sign_sum(j, in_.panels, k)));
  }

  void pair_errors(std::int64_t j, float* s) const {
    for (std::int64_t k = 0; k < receivers(); k += words) {
      Words n_a{}, n_b{};
      for (std::int64_t p = 0; p < in_.panels; ++p) {
        const Words up = broadcast<std::uint32_t>(in_.u.signs.plus[p * in_.weight.senders + j]);
        const Words down = broadcast<std::uint32_t>(in_.u.signs.minus[p * in_.weight.senders + j]);
        const Words is_a = widen(masks(0, p, k)), is_b = widen(masks(1, p, k));
        n_a = n_a + popcount(is_a & up) - popcount(is_a & down);
        n_b = n_b + popcount(is_b & up) - popcount(is_b & down);
      }
      store(s + k, pair_sum(n_a, in_.v.a, n_b, in_.v.b));
    }
  }

  void pair_senders(std::int64_t j, float* s) const {
    for (std::int64_t k = 0; k < receivers(); k += words) {
      Words n_a{}, n_b{};
      for (std::int64_t p = 0; p < in_.panels; ++p) {
        const Words is_a = broadcast<std::uint32_t>(in_.u.signs.plus[p * in_.weight.senders + j]);
        const Words is_b = broadcast<std::uint32_t>(in_.u.signs.minus[p * in_.weight.senders + j]);
        const Words up = widen(masks(0, p, k)), down = widen(masks(1, p, k));
        n_a = n_a + popcount(is_a & up) - popcount(is_a & down);
        n_b = n_b + popcount(is_b & up) - popcount(is_b & down);
      }
      store(s + k, pair_sum(n_a, in_.u.a, n_b, in_.u.b));
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
    for (std::int64_t k = 0; k < receivers(); k += words) store(s + k, to_floats(byte_sum(j, panels, 0, k)));
  }

  void byte_pairs(std::int64_t j, float* s) const {
    for (std::int64_t k = 0; k < receivers(); k += words) {
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
    for (std::int64_t k = 0; k < receivers(); k += words) store(s + k, Floats{});
    for (std::int64_t p = 0; p < in_.panels; ++p) {
      float u[lanes];
      for (int lane = 0; lane < lanes; ++lane) u[lane] = sender_at(in_.u, p * in_.weight.senders + j, lane);
      std::int64_t k = 0;
      for (; k + chains * words <= receivers(); k += chains * words) {
        real_tile(u, p, k, s, std::make_index_sequence<chains>());
      }
      for (; k < receivers(); k += words) real_tile(u, p, k, s, std::make_index_sequence<1>());
    }
  }

  const DenseArguments& in_;
  Arithmetic how_;
  unsigned char* errors_;
  bool any_ = false;
};

/// Bits of the lanes from receiver k on that exist and may move in row j.
[[gnu::always_inline]] inline unsigned movable_bits(const DenseArguments& in, std::int64_t j,
                                                    std::int64_t k) {
  const std::int64_t left = in.weight.receivers - k;
  unsigned bits = (1u << (left < words ? left : words)) - 1u;
  if (in.fixed_diagonal && j >= k && j < k + words) bits &= ~(1u << (j - k));
  return bits;
}

template <StepRule rule>
UpdateReport update_dense_by(const DenseArguments& in) {
  const DenseCorrelation correlation(in);
  const bool still = rule == StepRule::sgd && in.scalars[1] == 0;  // without an error nothing moves
  if (still && !correlation.any()) return {0, true};
  const Step<rule> step(in.scalars);
  const DenseWeight<float>& weight = in.weight;
  float* s = in.scratch;
  for (std::int64_t k = 0; k < weight.receivers; k += words) store(s + k, Floats{});
  Progress progress;
  for (std::int64_t j = weight.first_sender; j < weight.last_sender; ++j) {
    const std::int64_t row = j * weight.stride;
    const Parameters to{weight.entries + row, in.moments[0] ? in.moments[0] + row : nullptr,
                        in.moments[1] ? in.moments[1] + row : nullptr};
    const auto step_row = [&](auto s_of) {
      for (std::int64_t k = 0; k < weight.receivers; k += words) {
        step_at(step, to, k, s_of(k), lanes_of<Words>(movable_bits(in, j, k)), progress);
      }
    };
    if (correlation.any() && correlation.in_registers()) {
      step_row([&](std::int64_t k) { return correlation.signs_of(j, k); });
      continue;
    }
    if (correlation.any()) correlation.row(j, s);
    step_row([&](std::int64_t k) { return load<float>(s + k); });
  }
  return progress.report();
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
