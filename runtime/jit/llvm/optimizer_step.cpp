#include "runtime/jit/llvm/optimizer_step.hpp"

namespace relaxon::jit {
namespace {

constexpr unsigned width = 16;

unsigned scalars_of(StepRule rule) {
  switch (rule) {
    case StepRule::sgd: return 2;
    case StepRule::momentum:
    case StepRule::nesterov: return 4;
    case StepRule::adam: return 9;
    case StepRule::adamw: return 10;
  }
  return 0;
}

}  // namespace

OptimizerStep::OptimizerStep(Emitter& e, StepRule rule, int kept_bits)
    : e_(e),
      rule_(rule),
      moments_(rule == StepRule::sgd ? 0
               : adam()              ? 2
                                     : 1),
      kept_bits_(kept_bits),
      q_(kept_bits > 0 ? e.operand(12) : nullptr) {
  w_ = e.operand(0);
  m_ = e.operand(1);
  v_ = e.operand(2);
  V scalars = e.operand(9);
  for (unsigned i = 0; i < scalars_of(rule); ++i) scalars_.push_back(e.load(e.f32, scalars, e.number(i)));
}

V OptimizerStep::moves_silently() {
  if (rule_ != StepRule::sgd) return e_.b.getTrue();
  return e_.b.CreateFCmpUNE(scalars_[1], e_.real(0));
}

V OptimizerStep::decayed_by_sgd(V w) {
  return e_.b.CreateSelect(moves_silently(), e_.fma(negative(1), w, w), w);
}

void OptimizerStep::move(V& w, V& m, V& v, V s) {
  auto& b = e_.b;
  V silent = s ? b.CreateFCmpOEQ(s, e_.zeros(e_.f32, width)) : nullptr;
  if (rule_ == StepRule::sgd) {
    V decayed = decayed_by_sgd(w);
    w = s ? b.CreateSelect(silent, decayed, e_.fma(scalar(0), s, decayed)) : decayed;
    return;
  }
  V decay = b.CreateFMul(scalar(1), w);
  V g = s ? b.CreateSelect(silent, decay, e_.fma(negative(0), s, decay)) : decay;
  if (!adam()) {
    m = e_.fma(scalar(2), m, g);
    w = e_.fma(negative(3), rule_ == StepRule::nesterov ? e_.fma(scalar(2), m, g) : m, w);
    return;
  }
  if (rule_ == StepRule::adamw) w = e_.fma(negative(9), w, w);
  m = e_.fma(scalar(3), g, b.CreateFMul(scalar(2), m));
  v = e_.fma(b.CreateFMul(scalar(5), g), g, b.CreateFMul(scalar(4), v));
  V root = e_.fma(e_.square_root(v), scalar(7), scalar(8));
  w = b.CreateFSub(w, b.CreateFDiv(b.CreateFMul(scalar(6), m), root));
}

Progress OptimizerStep::at(V i, V s, V mask, V fixed, Progress progress) {
  auto& b = e_.b;
  const auto read = [&](V from) {
    return mask ? e_.load_where(e_.f32, mask, from, i) : e_.load_vector(e_.f32, width, from, i);
  };
  const auto write = [&](V value, V to) {
    if (mask) return e_.store_where(value, mask, to, i);
    e_.store(value, e_.at(e_.f32, to, i));
  };
  const auto kept = [&](V next, V before) { return fixed ? b.CreateSelect(fixed, before, next) : next; };
  V w = read(w_);
  V m = moments_ > 0 ? read(m_) : nullptr, v = moments_ > 1 ? read(v_) : nullptr;
  V next_w = w, next_m = m, next_v = v;
  move(next_w, next_m, next_v, s);
  next_w = kept(next_w, w);
  write(next_w, w_);
  if (moments_ > 0) write(kept(next_m, m), m_);
  if (moments_ > 1) write(next_v = kept(next_v, v), v_);
  // Lanes that don't exist were read as 0; with Adam's eps of 0 they may have become NaN.
  const auto existing = [&](V words) {
    return mask ? b.CreateSelect(mask, words, e_.zeros(e_.i32, width)) : words;
  };
  const auto size = [&](V x) { return existing(e_.bits_of(e_.magnitude(x), e_.vector(e_.i32, width))); };
  V growth = b.CreateFSub(e_.magnitude(next_w), e_.magnitude(w));
  progress.growth =
      e_.larger_integer(progress.growth, existing(e_.bits_of(growth, e_.vector(e_.i32, width))));
  // Any other moment that isn't finite shows in its weight.
  progress.largest = e_.larger_integer(progress.largest, size(next_w));
  if (moments_ > 1) progress.largest = e_.larger_integer(progress.largest, size(next_v));
  if (!q_) return progress;
  const Converted converted = e_.converted(next_w, kept_bits_, 0x1p31f);
  write(converted.integers, q_);
  V misfits = b.CreateZExt(e_.lanes_of(converted.misfits), e_.vector(e_.i32, width));
  progress.misfits = b.CreateOr(progress.misfits, existing(misfits));
  return progress;
}

Progress OptimizerStep::silent(V from, V to, Progress progress) {
  V count = e_.b.CreateSub(to, from);
  V whole = e_.b.CreateSub(to, e_.b.CreateAnd(count, e_.number(width - 1)));
  progress = Progress::of(e_.loop(from, whole, width, progress.values(), [&](V i, const Values& carried) {
    return at(i, nullptr, nullptr, nullptr, Progress::of(carried)).values();
  }));
  return Progress::of(e_.when(e_.b.CreateICmpSLT(whole, to), progress.values(), [&] {
    V left = e_.splat(e_.b.CreateTrunc(e_.b.CreateSub(to, whole), e_.i32), width);
    V mask = e_.b.CreateICmpSLT(e_.iota(width), left);
    return at(whole, nullptr, mask, nullptr, progress).values();
  }));
}

void OptimizerStep::report(Progress progress) {
  V report = e_.operand(10);
  const Values parts = progress.values();
  for (unsigned i = 0; i < parts.size(); ++i) {
    V largest = e_.b.CreateIntMaxReduce(parts[i], true);
    V to = e_.at(e_.i32, report, e_.number(i));
    e_.store(e_.larger_integer(largest, e_.load(e_.i32, to)), to);
  }
}

}  // namespace relaxon::jit
