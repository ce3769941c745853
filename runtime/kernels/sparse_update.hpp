// Steps of sparse weights, a receiver's column at a time, and of the stretches between columns with an error.
#pragma once

#include "runtime/kernels/sparse_descent.hpp"

namespace relaxon {
namespace {

/// The steps of columns, and of the stretches of columns without an error between them.
template <StepRule rule, class Correlation>
class SparseUpdate {
 public:
  explicit SparseUpdate(const SparseArguments& arguments)
      : in_(arguments), correlation_(arguments), step_(arguments.scalars) {}

  UpdateReport run() {
    const SparseWeight<float>& weight = in_.weight;
    skip_fixed(weight.offsets[weight.begin]);
    std::int64_t done = weight.begin;
    for (std::int64_t k = weight.begin; k < weight.end; ++k) {
      if (correlation_.erring(k) == 0) continue;
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
    if (rule == StepRule::sgd && in_.scalars[1] == 0) return skip_fixed(in_.weight.offsets[end]);
    std::int64_t from = in_.weight.offsets[begin];
    const std::int64_t to = in_.weight.offsets[end];
    for (; fixed_ < in_.fixed.size() && fixed_at(fixed_) < to; ++fixed_) {
      step_range(step_, parameters(), from, fixed_at(fixed_) - from, nullptr, progress_);
      from = fixed_at(fixed_) + 1;
    }
    step_range(step_, parameters(), from, to - from, nullptr, progress_);
  }

  void column(std::int64_t k) {
    const std::int64_t begin = in_.weight.offsets[k], end = in_.weight.offsets[k + 1];
    const bool all_move = fixed_ == in_.fixed.size() || fixed_at(fixed_) >= end;
    const std::int64_t rest = (end - begin) % words;
    const auto s_of = [&](std::int64_t e) __attribute__((always_inline)) {
      return correlation_.at(k, in_.weight.sender + e);
    };
    if (all_move) {
      step_registers(step_, parameters(), begin, end - rest, progress_, s_of);
    } else {
      for (std::int64_t e = begin; e + words <= end; e += words)
        step_at(step_, parameters(), e, s_of(e), movable(e), progress_);
    }
    if (rest > 0) {
      const Senders senders(in_.weight, end - rest);
      step_at(step_, parameters(), end - rest, correlation_.at(k, senders), movable(end - rest), progress_,
              static_cast<int>(rest));
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
  Parameters parameters() const { return {in_.weight.entries, in_.moments, {}}; }

  const SparseArguments& in_;
  Correlation correlation_;
  Step<rule> step_;
  Progress<rule> progress_;
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
    return with_arithmetic(in, [&]<Arithmetic how>() {
      if (in.less) return SparseUpdate<rule, SparseDifference<how>>(in).run();
      if (rule == StepRule::sgd && in.scalars[1] >= 0 && in.scalars[1] <= 1) {
        return SparseDescent<how>(in).run();
      }
      return SparseUpdate<rule, SparseCorrelation<how>>(in).run();
    });
  });
}

template <Arithmetic how>
void correlate_sparse_by(const SparseArguments& in, float* s) {
  const SparseCorrelation<how> correlation(in);
  const SparseWeight<float>& weight = in.weight;
  for (std::int64_t k = weight.begin; k < weight.end; ++k) {
    const bool errs = correlation.erring(k) != 0;
    const std::int64_t end = weight.offsets[k + 1];
    for (std::int64_t e = weight.offsets[k]; e < end; e += words) {
      const int n = static_cast<int>(end - e < words ? end - e : words);
      const Floats part = errs ? correlation.at(k, Senders(weight, e)) : Floats{};
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
