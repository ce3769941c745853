// The optimizers' steps on a register of weights (semantics: section 11).
#pragma once

#include "runtime/kernels/vectors.hpp"

namespace relaxon {
namespace {

/// A rule's scalars in every lane. `plus_zero`: S is never -0 and the factor of S not negative, so that S = 0
/// needs no care in g: fma(-beta, +0, x) is x, -0 and +0 too.
template <StepRule rule, bool plus_zero = false>
class Step {
 public:
  static constexpr bool is_adam = rule == StepRule::adam || rule == StepRule::adamw;
  static constexpr int count = rule == StepRule::sgd ? 2 : rule == StepRule::adam ? 9 : is_adam ? 10 : 4;
  static constexpr int moments = rule == StepRule::sgd ? 0 : is_adam ? 2 : 1;

  explicit Step(const float* scalars) {
    for (int i = 0; i < count; ++i) c_[i] = broadcast<float>(scalars[i]);
    decays_ = ~is_zero(c_[1]);
  }

  /// Adam's step up to the root of v, and after it.
  [[gnu::always_inline]] Floats root_of(Floats& w, Floats& m, Floats& v, Floats s) const {
    const Floats g = gradient(w, s);
    if constexpr (rule == StepRule::adamw) w = fma(-c_[9], w, w);
    m = fma(c_[3], g, c_[2] * m);
    v = fma(c_[5] * g, g, c_[4] * v);
    return square_root(v);
  }
  [[gnu::always_inline]] Floats change(Floats m, Floats root) const {
    return (c_[6] * m) / fma(root, c_[7], c_[8]);
  }

  [[gnu::always_inline]] void operator()(Floats& w, Floats& m, Floats& v, Floats s) const {
    if constexpr (rule == StepRule::sgd) {
      const Floats decayed = select(decays_, fma(-c_[1], w, w), w);
      w = select(is_zero(s), decayed, fma(c_[0], s, decayed));
      return;
    }
    if constexpr (is_adam) {
      const Floats root = root_of(w, m, v, s);
      w = w - change(m, root);
    } else {
      const Floats g = gradient(w, s);
      m = fma(c_[2], m, g);
      w = fma(-c_[3], rule == StepRule::nesterov ? fma(c_[2], m, g) : m, w);
    }
  }

 private:
  [[gnu::always_inline]] Floats gradient(Floats w, Floats s) const {
    const Floats decay = c_[1] * w, g = fma(-c_[0], s, decay);
    return plus_zero ? g : select(is_zero(s), decay, g);
  }

  Floats c_[count];
  LaneSet<Words> decays_;
};

/// What the weights have done so far: how much their magnitudes grew, or, which takes fewer operations and
/// says as much where decay is apart or small beside the step, by how much they changed.
template <StepRule rule, bool takes_change = Step<rule>::is_adam>
class Progress {
 public:
  /// `second` is Adam's v, never negative. Any other moment that isn't finite shows in its weight, and so
  /// does a v that is no number.
  [[gnu::always_inline]] void note(Floats before, Floats after, Floats second) {
    // Magnitudes order as integers, numbers before infinity and what is no number.
    if constexpr (takes_change) {
      growth_ = (Floats)larger((Ints)growth_, (Ints)magnitude(after - before));
      second_ = larger(second_, (Ints)second);
    } else {
      growth_ = larger(magnitude(after) - magnitude(before), growth_);
      not_finite_ = not_finite_ | (Words)(after - after);  // 0 where it is finite
    }
  }
  /// q of what was written. What is too large for int32, or no number, becomes the least integer.
  [[gnu::always_inline]] void note_fixed(Ints q) { least_q_ = smaller(least_q_, q); }
  UpdateReport report() const {
    UpdateReport report{0, true};
    for (int i = 0; i < words; ++i) {
      report.fits &= least_q_[i] != INT32_MIN;
      report.finite &= ((Ints)growth_)[i] < infinity && second_[i] < infinity && not_finite_[i] == 0;
      if (growth_[i] > report.growth) report.growth = growth_[i];
    }
    // The change was rounded.
    if (takes_change) report.growth *= 1 + 0x1p-22f;
    return report;
  }

 private:
  static constexpr std::int32_t infinity = 0x7f800000;

  Floats growth_{};
  Ints second_{}, least_q_{};
  Words not_finite_{};
};

/// Weights with their moments and q.
struct Parameters {
  Parameters(float* weights, float* const (&moments)[2], FixedCopy fixed)
      : w(weights), m(moments[0]), v(moments[1]), q(fixed.entries), q_bits(fixed.fixed_bits) {}
  /// From entry i on.
  Parameters from(std::int64_t i) const {
    Parameters own = *this;
    own.w += i;
    if (m) own.m += i;
    if (v) own.v += i;
    if (q) own.q += i;
    return own;
  }
  Ints fixed(Floats x) const { return rounded(x * broadcast<float>(two_to(q_bits))); }

  float* w;
  float* m;
  float* v;
  std::int32_t* q;  // null: it isn't wanted
  int q_bits;
};

/// A step of the register of weights at `i`, in the lanes that may move. With `count` < words only that many
/// weights exist.
template <class Step, class Progress>
[[gnu::always_inline]] inline void step_at(const Step& step, Parameters to, std::int64_t i, Floats s,
                                           LaneSet<Words> movable, Progress& progress, int count = words) {
  const bool whole = count == words;
  if (!whole) movable = static_cast<LaneSet<Words>>(movable & lanes_of<Words>((1u << count) - 1u));
  const auto read = [&](const float* from) __attribute__((always_inline)) {
    return whole ? load<float>(from + i) : load_first(from + i, count);
  };
  const auto write = [&](float* at, Floats x) __attribute__((always_inline)) {
    whole ? store(at + i, x) : store_first(at + i, x, count);
  };
  const Floats w = read(to.w);
  Floats m{}, v{};
  if constexpr (Step::moments > 0) m = read(to.m);
  if constexpr (Step::moments > 1) v = read(to.v);
  Floats next_w = w, next_m = m, next_v = v;
  step(next_w, next_m, next_v, s);
  next_w = select(movable, next_w, w);
  next_v = select(movable, next_v, v);
  progress.note(w, next_w, next_v);
  write(to.w, next_w);
  if constexpr (Step::moments > 0) write(to.m, select(movable, next_m, m));
  if constexpr (Step::moments > 1) write(to.v, next_v);
  if (!to.q) return;
  const Ints q = to.fixed(next_w);
  progress.note_fixed(q);
  whole ? store(to.q + i, q) : store_first(to.q + i, q, count);
}

/// q of a register of new weights, if it is wanted.
template <class Progress>
[[gnu::always_inline]] inline void store_fixed(Parameters to, std::int64_t i, Floats w, Progress& progress) {
  if (!to.q) return;
  const Ints q = to.fixed(w);
  progress.note_fixed(q);
  store(to.q + i, q);
}

/// Adam's steps of the registers of weights from `i` to `end`. A root and then a quotient take long: a
/// register's step is spread over three turns of the loop, so that what needs them does not fill the queues
/// that the next registers' work should go through meanwhile.
template <class Step, class Progress, class Sum>
[[gnu::always_inline]] inline void adam_registers(const Step& step, Parameters to, std::int64_t i,
                                                  std::int64_t end, Progress& progress, Sum s_of) {
  if (i >= end) return;
  struct Rooted {
    Floats before, w, m, v, root;
  };
  struct Divided {
    Floats before, w, v, change;
  };
  const auto root = [&](std::int64_t at) __attribute__((always_inline)) {
    Rooted r;
    r.before = r.w = load<float>(to.w + at);
    r.m = load<float>(to.m + at);
    r.v = load<float>(to.v + at);
    r.root = step.root_of(r.w, r.m, r.v, s_of(at));
    store(to.m + at, r.m);
    store(to.v + at, r.v);
    return r;
  };
  const auto divide = [&](const Rooted& r) __attribute__((always_inline)) {
    return Divided{r.before, r.w, r.v, step.change(r.m, r.root)};
  };
  const auto finish = [&](const Divided& d, std::int64_t at) __attribute__((always_inline)) {
    const Floats w = d.w - d.change;
    progress.note(d.before, w, d.v);
    store(to.w + at, w);
    store_fixed(to, at, w, progress);
  };
  Rooted r = root(i);
  i += words;
  if (i < end) {
    Divided d = divide(r);
    r = root(i);
    for (i += words; i < end; i += words) {
      finish(d, i - 2 * words);
      d = divide(r);
      r = root(i);
    }
    finish(d, i - 2 * words);
  }
  finish(divide(r), i - words);
}

/// Steps of the registers of weights from `i` to `end`, all of which may move; s_of(i) is S of the register
/// at i.
template <class Step, class Progress, class Sum>
[[gnu::always_inline]] inline void step_registers(const Step& step, Parameters to, std::int64_t i,
                                                  std::int64_t end, Progress& progress, Sum s_of) {
  if constexpr (Step::is_adam) return adam_registers(step, to, i, end, progress, s_of);
  for (; i < end; i += words) {
    const Floats before = load<float>(to.w + i);
    Floats w = before, m{}, v{};
    if constexpr (Step::moments > 0) m = load<float>(to.m + i);
    step(w, m, v, s_of(i));
    progress.note(before, w, v);
    store(to.w + i, w);
    if constexpr (Step::moments > 0) store(to.m + i, m);
    store_fixed(to, i, w, progress);
  }
}

/// A step of `n` weights from `i` on, all of which may move; without S (null) it is 0.
template <class Step, class Progress>
[[gnu::always_inline]] inline void step_range(const Step& step, Parameters to, std::int64_t i, std::int64_t n,
                                              const float* s, Progress& progress) {
  const int rest = static_cast<int>(n % words);
  step_registers(step, to, i, i + n - rest, progress,
                 [s](std::int64_t at) { return s ? load<float>(s + at) : Floats{}; });
  if (rest == 0) return;
  i += n - rest;
  step_at(step, to, i, s ? load_first(s + i, rest) : Floats{}, lanes_of<Words>((1u << rest) - 1u), progress,
          rest);
}

template <StepRule rule>
UpdateReport apply_rule(const float* scalars, const float* s, std::int64_t n,
                        std::span<const std::int32_t> fixed, Parameters to) {
  const Step<rule> step(scalars);
  Progress<rule> progress;
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
                   std::span<const std::int32_t> fixed, float* w, float* m, float* v, FixedCopy q) {
  float* const moments[] = {m, v};
  return with_rule(rule, [&]<StepRule r>() { return apply_rule<r>(scalars, s, n, fixed, {w, moments, q}); });
}

}  // namespace
}  // namespace relaxon
