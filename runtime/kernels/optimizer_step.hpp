// The optimizers' steps on a register of weights (semantics: section 11).
#pragma once

#include "runtime/kernels/vectors.hpp"

namespace relaxon {
namespace {

/// A rule's scalars in every lane.
template <StepRule rule>
class Step {
 public:
  static constexpr bool is_adam = rule == StepRule::adam || rule == StepRule::adamw;
  static constexpr int count = rule == StepRule::sgd ? 2 : rule == StepRule::adam ? 9 : is_adam ? 10 : 4;
  static constexpr int moments = rule == StepRule::sgd ? 0 : is_adam ? 2 : 1;

  explicit Step(const float* scalars) {
    for (int i = 0; i < count; ++i) c_[i] = broadcast<float>(scalars[i]);
    decays_ = ~is_zero(c_[1]);
  }

  [[gnu::always_inline]] void operator()(Floats& w, Floats& m, Floats& v, Floats s) const {
    if constexpr (rule == StepRule::sgd) {
      const Floats decayed = select(decays_, fma(-c_[1], w, w), w);
      w = select(is_zero(s), decayed, fma(c_[0], s, decayed));
      return;
    }
    const Floats decay = c_[1] * w;
    const Floats g = select(is_zero(s), decay, fma(-c_[0], s, decay));
    if constexpr (is_adam) {
      if constexpr (rule == StepRule::adamw) w = fma(-c_[9], w, w);
      m = fma(c_[3], g, c_[2] * m);
      v = fma(c_[5] * g, g, c_[4] * v);
      w = w - (c_[6] * m) / fma(square_root(v), c_[7], c_[8]);
    } else {
      m = fma(c_[2], m, g);
      w = fma(-c_[3], rule == StepRule::nesterov ? fma(c_[2], m, g) : m, w);
    }
  }

 private:
  Floats c_[count];
  LaneSet<Words> decays_;
};

/// What the weights have done so far.
class Progress {
 public:
  /// `second` is Adam's v. Any other moment that isn't finite shows in its weight.
  [[gnu::always_inline]] void note(Floats before, Floats after, Floats second) {
    growth_ = larger(magnitude(after) - magnitude(before), growth_);
    largest_ = larger(largest_, larger((Ints)magnitude(after), (Ints)magnitude(second)));
  }
  UpdateReport report() const {
    UpdateReport report{0, true};
    for (int i = 0; i < words; ++i) {
      if (growth_[i] > report.growth) report.growth = growth_[i];
      report.finite &= largest_[i] < 0x7f800000;
    }
    return report;
  }

 private:
  Floats growth_{};
  Ints largest_{};  // magnitudes order as integers
};

/// Weights with their moments.
struct Parameters {
  float* w;
  float* m;
  float* v;
};

[[gnu::always_inline]] inline LaneSet<Words> every_lane() { return lanes_of<Words>((1u << words) - 1u); }

/// A step of the register of weights at `i`, in the lanes that may move. With `count` < words only that many
/// weights exist.
template <StepRule rule>
[[gnu::always_inline]] inline void step_at(const Step<rule>& step, Parameters to, std::int64_t i, Floats s,
                                           LaneSet<Words> movable, Progress& progress, int count = words) {
  const bool whole = count == words;
  if (!whole) movable = static_cast<LaneSet<Words>>(movable & lanes_of<Words>((1u << count) - 1u));
  const auto read = [&](const float* from) {
    return whole ? load<float>(from + i) : load_first(from + i, count);
  };
  const auto write = [&](float* at, Floats x) { whole ? store(at + i, x) : store_first(at + i, x, count); };
  const Floats w = read(to.w);
  Floats m{}, v{};
  if constexpr (Step<rule>::moments > 0) m = read(to.m);
  if constexpr (Step<rule>::moments > 1) v = read(to.v);
  Floats next_w = w, next_m = m, next_v = v;
  step(next_w, next_m, next_v, s);
  next_w = select(movable, next_w, w);
  next_v = select(movable, next_v, v);
  progress.note(w, next_w, next_v);
  write(to.w, next_w);
  if constexpr (Step<rule>::moments > 0) write(to.m, select(movable, next_m, m));
  if constexpr (Step<rule>::moments > 1) write(to.v, next_v);
}

/// A step of `n` weights from `i` on, all of which may move; without S (null) it is 0.
template <StepRule rule>
[[gnu::always_inline]] inline void step_range(const Step<rule>& step, Parameters to, std::int64_t i,
                                              std::int64_t n, const float* s, Progress& progress) {
  for (; n >= words; i += words, n -= words) {
    step_at(step, to, i, s ? load<float>(s + i) : Floats{}, every_lane(), progress);
  }
  if (n == 0) return;
  const int rest = static_cast<int>(n);
  step_at(step, to, i, s ? load_first(s + i, rest) : Floats{}, every_lane(), progress, rest);
}

template <StepRule rule>
UpdateReport apply_rule(const float* scalars, const float* s, std::int64_t n,
                        std::span<const std::int32_t> fixed, Parameters to) {
  const Step<rule> step(scalars);
  Progress progress;
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < fixed.size(); ++i) {
    step_range(step, to, begin, fixed.data()[i] - begin, s, progress);
    begin = fixed.data()[i] + 1;
  }
  step_range(step, to, begin, n - begin, s, progress);
  return progress.report();
}

/// Calls `run` with the rule as a template argument.
template <class Run>
[[gnu::always_inline]] inline UpdateReport with_rule(StepRule rule, Run run) {
  switch (rule) {
    case StepRule::sgd: return run.template operator()<StepRule::sgd>();
    case StepRule::momentum: return run.template operator()<StepRule::momentum>();
    case StepRule::nesterov: return run.template operator()<StepRule::nesterov>();
    case StepRule::adam: return run.template operator()<StepRule::adam>();
    case StepRule::adamw: return run.template operator()<StepRule::adamw>();
  }
  __builtin_unreachable();
}

UpdateReport apply(StepRule rule, const float* scalars, const float* s, std::int64_t n,
                   std::span<const std::int32_t> fixed, float* w, float* m, float* v) {
  return with_rule(rule, [&]<StepRule r>() { return apply_rule<r>(scalars, s, n, fixed, {w, m, v}); });
}

}  // namespace
}  // namespace relaxon
