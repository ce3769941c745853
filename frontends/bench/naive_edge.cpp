#include "frontends/bench/naive_edge.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/error.hpp"

namespace relaxon::bench {
namespace {

float* data(Tensor& tensor) { return tensor.data<float>().data(); }
const float* data(const Tensor& tensor) { return tensor.data<float>().data(); }

/// A scratch array of at least n floats.
float* scratch(Tensor& tensor, std::int64_t n) {
  if (tensor.size() < n) tensor = Tensor(DType::f32, {n});
  return data(tensor);
}

std::pair<float, float> rescaling_of(std::int64_t d) {
  const double r = std::sqrt(static_cast<double>(d - 1));
  return {static_cast<float>((r / 2 + 1 / r) / 2), static_cast<float>((r / 2 - 1 / r) / 2)};
}

/// 1 at the connections, the fixed diagonal left out.
Tensor mask_of(const Pattern& pattern) {
  Tensor mask(DType::f32, {pattern.senders, pattern.receivers});
  auto values = mask.matrix<float>();
  for (std::int64_t j = 0; j < pattern.senders; ++j) {
    for (const std::int32_t k : pattern.receivers_of(j))
      values(j, k) = pattern.fixed_diagonal && k == j ? 0 : 1;
  }
  return mask;
}

}  // namespace

NaiveEdge::NaiveEdge(const Network& network, EdgeId id, const EdgeState& state, Form form,
                     const EigenKernels& kernels)
    : id_(id),
      module_(network.map.at(id).module),
      optimizer_(network.optimizer.at(id)),
      kernels_(&kernels),
      d_(state.weight.senders()),
      K_(state.weight.receivers()),
      clock_(state.clock) {
  if (std::holds_alternative<FrozenRescaledFullyConnected>(module_)) rescaling_ = rescaling_of(d_);
  const PatternPtr& pattern = state.weight.pattern;
  const auto formed = [&](const Tensor& values) {
    return form == Form::sparse ? values : to_dense({.values = values, .pattern = pattern});
  };
  weight_ = formed(state.weight.values);
  if (form == Form::sparse) pattern_ = pattern;
  if (!is_trainable(module_)) return;
  if (pattern && form == Form::dense) mask_ = mask_of(*pattern);
  for (const Tensor& moment : state.moments) moments_.push_back(formed(moment));
  s_ = Tensor(DType::f32, weight_.shape());
  const PerOutput& threshold = *threshold_of(module_);
  for (std::int64_t k = 0; k < K_; ++k) margin_.push_back(threshold.at(static_cast<std::size_t>(k)));
  if (!is_recurrent(module_)) return;
  for (std::int64_t j = 0; j < d_; ++j) {
    if (!pattern_) {
      fix(j * K_ + j);
      continue;
    }
    const auto receivers = pattern_->receivers_of(j);
    const auto own = std::ranges::find(receivers, static_cast<std::int32_t>(j));
    fix(pattern_->offsets[static_cast<std::size_t>(j)] + (own - receivers.begin()));
  }
}

SparseView NaiveEdge::view() const {
  return {.d = d_,
          .K = K_,
          .entries = pattern_->entries(),
          .offsets = pattern_->offsets.data(),
          .receiver = pattern_->receiver.data(),
          .values = data(weight_)};
}

void NaiveEdge::message(const float* x, std::int64_t batch, float* out) {
  if (rescaling_) {
    float* rescaled = scratch(rescaled_, d_ * batch);
    kernels_->affine(rescaling_->first, x, rescaling_->second, d_ * batch, rescaled);
    x = rescaled;
  }
  if (pattern_) {
    kernels_->multiply_sparse(view(), x, batch, out);
  } else {
    kernels_->multiply(data(weight_), x, d_, K_, batch, out);
  }
}

void NaiveEdge::correlate(const float* u, const float* t, const float* f, std::int64_t batch) {
  float* errors = scratch(errors_, K_ * batch);
  kernels_->error(t, f, margin_.data(), K_, batch, errors);
  if (pattern_) {
    kernels_->correlate_sparse(u, errors, batch, view(), data(s_));
    return;
  }
  kernels_->correlate(u, errors, d_, K_, batch, data(s_));
  if (!mask_.empty()) kernels_->mask(data(mask_), mask_.size(), data(s_));
}

void NaiveEdge::keep_as_first() { first_ = s_; }
void NaiveEdge::subtract_first() { kernels_->subtract(data(first_), s_.size(), data(s_)); }

void NaiveEdge::step(std::int64_t batch) {
  const StepScalars c = step_scalars(module_, optimizer_, clock_, {.batch = batch, .senders = d_});
  clock_.advance(optimizer_);
  float* w = data(weight_);
  const float* s = data(s_);
  const std::int64_t n = weight_.size();
  if (moments_.empty()) {
    kernels_->sgd(c.alpha, c.k, s, n, w);
  } else if (optimizer_.kind == OptimizerKind::sgd) {
    kernels_->momentum(c.beta, c.delta, c.mu, c.eta, optimizer_.nesterov, s, n, w, data(moments_[0]));
  } else {
    const bool decays = optimizer_.kind == OptimizerKind::adamw;
    const AdamScalars scalars{c.beta, c.delta, c.b1, c.c1, c.b2, c.c2, c.a, c.r, c.eps, decays ? c.decay : 0};
    kernels_->adam(scalars, s, n, w, data(moments_[0]), data(moments_[1]));
  }
  for (const auto& [entry, value] : fixed_) w[entry] = value;
}

Tensor NaiveEdge::weight() const {
  return pattern_ ? to_dense({.values = weight_, .pattern = pattern_}) : weight_;
}

NaiveEdge faster_edge(const Network& network, EdgeId id, const EdgeState& state, std::int64_t messages,
                      std::int64_t batch, const EigenKernels& kernels) {
  const NaiveEdge dense(network, id, state, Form::dense, kernels);
  if (!state.weight.is_sparse()) return dense;
  const NaiveEdge sparse(network, id, state, Form::sparse, kernels);
  const std::vector<float> x(static_cast<std::size_t>(state.weight.senders() * batch), 1.0f);
  const std::vector<float> t(static_cast<std::size_t>(state.weight.receivers() * batch), 1.0f);
  std::vector<float> h(t.size());
  const bool trainable = is_trainable(network.map.at(id).module);
  const auto seconds = [&](NaiveEdge edge) {
    using Clock = std::chrono::steady_clock;
    double best = 1e30;
    constexpr int tries = 5;  // the first one warms up
    for (int i = 0; i < tries; ++i) {
      const auto start = Clock::now();
      for (std::int64_t m = 0; m < messages; ++m) edge.message(x.data(), batch, h.data());
      if (trainable) {
        edge.correlate(x.data(), t.data(), h.data(), batch);
        edge.step(batch);
      }
      best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
    }
    return best;
  };
  return seconds(sparse) < seconds(dense) ? sparse : dense;
}

}  // namespace relaxon::bench
