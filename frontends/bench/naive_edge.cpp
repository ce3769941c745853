#include "frontends/bench/naive_edge.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "core/math.hpp"

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

/// The connections of a (d, K) array, in pattern order.
void gather_entries(const Pattern& pattern, const Tensor& array, Tensor& entries) {
  const auto values = array.matrix<float>();
  float* entry = data(entries);
  for (std::int64_t j = 0; j < pattern.senders; ++j) {
    for (const std::int32_t k : pattern.receivers_of(j)) *entry++ = values(j, k);
  }
}

/// The other way; everything else stays as it is.
void scatter_entries(const Pattern& pattern, const Tensor& entries, Tensor& array) {
  auto values = array.matrix<float>();
  const float* entry = data(entries);
  for (std::int64_t j = 0; j < pattern.senders; ++j) {
    for (const std::int32_t k : pattern.receivers_of(j)) values(j, k) = *entry++;
  }
}

}  // namespace

NaiveEdge::NaiveEdge(const Network& network, EdgeId id, const EdgeState& state, Forms forms,
                     const EigenKernels& kernels)
    : id_(id),
      module_(network.map.at(id).module),
      optimizer_(network.optimizer.at(id)),
      kernels_(&kernels),
      d_(state.weight.senders()),
      K_(state.weight.receivers()),
      pattern_(state.weight.pattern),
      forms_(pattern_ ? forms : Forms{}),
      clock_(state.clock) {
  if (std::holds_alternative<FrozenRescaledFullyConnected>(module_)) rescaling_ = rescaling_of(d_);
  const auto formed = [&](const Tensor& values, Form form) {
    return form == Form::sparse ? values : to_dense({.values = values, .pattern = pattern_});
  };
  weight_ = formed(state.weight.values, forms_.update);
  if (forms_.message != forms_.update) sent_ = formed(state.weight.values, forms_.message);
  if (!is_trainable(module_)) return;
  if (pattern_ && forms_.update == Form::dense) mask_ = mask_of(*pattern_);
  for (const Tensor& moment : state.moments) moments_.push_back(formed(moment, forms_.update));
  s_ = Tensor(DType::f32, weight_.shape());
  const PerOutput& threshold = *threshold_of(module_);
  for (std::int64_t k = 0; k < K_; ++k) margin_.push_back(threshold.at(static_cast<std::size_t>(k)));
  if (!is_recurrent(module_)) return;
  for (std::int64_t j = 0; j < d_; ++j) {
    if (forms_.update == Form::dense) {
      fix(j * K_ + j);
      continue;
    }
    const auto receivers = pattern_->receivers_of(j);
    const auto own = std::ranges::find(receivers, static_cast<std::int32_t>(j));
    fix(pattern_->offsets[static_cast<std::size_t>(j)] + (own - receivers.begin()));
  }
}

SparseView NaiveEdge::view(const Tensor& values) const {
  return {.d = d_,
          .K = K_,
          .entries = pattern_->entries(),
          .offsets = pattern_->offsets.data(),
          .receiver = pattern_->receiver.data(),
          .values = data(values)};
}

void NaiveEdge::message(const float* x, std::int64_t batch, float* out) {
  if (rescaling_) {
    float* rescaled = scratch(rescaled_, d_ * batch);
    kernels_->affine(rescaling_->first, x, rescaling_->second, d_ * batch, rescaled);
    x = rescaled;
  }
  const Tensor& weight = sent_.empty() ? weight_ : sent_;
  if (forms_.message == Form::sparse) {
    kernels_->multiply_sparse(view(weight), x, batch, out);
  } else {
    kernels_->multiply(data(weight), x, d_, K_, batch, out);
  }
}

void NaiveEdge::correlate(const float* u, const float* t, const float* f, std::int64_t batch) {
  float* errors = scratch(errors_, K_ * batch);
  kernels_->error(t, f, margin_.data(), K_, batch, errors);
  if (forms_.update == Form::sparse) {
    kernels_->correlate_sparse(u, errors, batch, view(weight_), data(s_));
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
  if (sent_.empty()) return;
  if (forms_.message == Form::sparse) {
    gather_entries(*pattern_, weight_, sent_);
  } else {
    scatter_entries(*pattern_, weight_, sent_);
  }
}

Tensor NaiveEdge::weight() const {
  return forms_.update == Form::sparse ? to_dense({.values = weight_, .pattern = pattern_}) : weight_;
}

namespace {

/// Seconds of one action, the median of several.
class Median {
 public:
  template <class Action>
  void time(const Action& action) {
    const auto start = Clock::now();
    action();
    seconds_.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  double seconds() {
    const auto middle = seconds_.begin() + static_cast<std::ptrdiff_t>(seconds_.size() / 2);
    std::ranges::nth_element(seconds_, middle);
    return *middle;
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::vector<double> seconds_;
};

constexpr Form all_forms[] = {Form::dense, Form::sparse};

std::size_t index(Form form) { return static_cast<std::size_t>(form); }

/// What an edge's batch takes in each form.
struct FormTimes {
  Median messages[2], updates[2];
  Median rewrite[2];  // by the form written
};

/// Some of its messages, all of its updates and the weight rewritten, by turns.
FormTimes timed_forms(const Network& network, EdgeId id, const EdgeState& state, EdgeUse use,
                      std::int64_t batch, const EigenKernels& kernels) {
  NaiveEdge edges[] = {{network, id, state, {Form::dense, Form::dense}, kernels},
                       {network, id, state, {Form::sparse, Form::sparse}, kernels}};
  const Pattern& pattern = *state.weight.pattern;
  Tensor array = to_dense(state.weight);
  Tensor entries = state.weight.values;
  Tensor x(DType::f32, {pattern.senders, batch});
  Tensor t(DType::f32, {pattern.receivers, batch});
  Tensor h = t;
  std::ranges::fill(x.data<float>(), 1.0f);
  std::ranges::fill(t.data<float>(), 1.0f);
  FormTimes times;
  constexpr int tries = 9;
  for (int i = 0; i < tries; ++i) {
    for (const Form form : all_forms) {
      NaiveEdge& edge = edges[index(form)];
      times.messages[index(form)].time([&] {
        for (std::int64_t m = 0; m < use.messages; ++m) edge.message(data(x), batch, data(h));
      });
      if (!is_trainable(network.map.at(id).module)) continue;
      times.updates[index(form)].time([&] {
        for (std::int64_t c = 0; c < use.correlations; ++c) edge.correlate(data(x), data(t), data(h), batch);
        edge.step(batch);
      });
    }
    times.rewrite[index(Form::dense)].time([&] { scatter_entries(pattern, entries, array); });
    times.rewrite[index(Form::sparse)].time([&] { gather_entries(pattern, array, entries); });
  }
  return times;
}

}  // namespace

Forms fastest_forms(const Network& network, EdgeId id, const EdgeState& state, EdgeUse use,
                    std::int64_t batch, const EigenKernels& kernels) {
  if (!state.weight.is_sparse()) return {};
  const FlushToZero mode;
  constexpr std::int64_t most_messages = 4;  // as many as warm the caches
  const double share = static_cast<double>(std::max<std::int64_t>(use.messages, 1)) / most_messages;
  use.messages = most_messages;
  FormTimes times = timed_forms(network, id, state, use, batch, kernels);
  const bool trainable = is_trainable(network.map.at(id).module);
  Forms best;
  double least = std::numeric_limits<double>::infinity();
  for (const Form message : all_forms) {
    for (const Form update : all_forms) {
      if (!trainable && message != update) continue;
      double seconds = share * times.messages[index(message)].seconds();
      if (trainable) seconds += times.updates[index(update)].seconds();
      if (message != update) seconds += times.rewrite[index(message)].seconds();
      if (seconds >= least) continue;
      least = seconds;
      best = {.message = message, .update = update};
    }
  }
  return best;
}

}  // namespace relaxon::bench
