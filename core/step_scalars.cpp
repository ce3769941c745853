#include "core/step_scalars.hpp"

#include <cmath>

namespace relaxon {
namespace {

/// A setting: rounded to float32, then used in double.
double setting(double value) { return static_cast<float>(value); }
double density(const Module& module) { return 1.0 - setting(sparsity_of(module)); }
/// The density at which the published networks' rates were chosen.
double reference_density(const Module& module) { return is_recurrent(module) ? 0.01 : 0.1; }

}  // namespace

void OptimizerClock::advance(const Optimizer& optimizer) {
  ++t;
  p1 *= setting(optimizer.b1);
  p2 *= setting(optimizer.b2);
}

OptimizerClock OptimizerClock::at(const Optimizer& optimizer, std::int64_t t) {
  OptimizerClock clock;
  while (clock.t < t) clock.advance(optimizer);
  return clock;
}

double kappa_of(const UpdateSetting& s) {
  const double plain = 1.0 / std::sqrt(static_cast<double>(s.batch) * static_cast<double>(s.senders));
  return plain * s.gate;
}

double decay_of(const Module& module, std::int64_t senders) {
  const double wd = setting(weight_decay_of(module));
  const double d = static_cast<double>(senders);
  if (!is_sparse(module)) return wd / std::sqrt(d);
  return wd * std::sqrt(reference_density(module)) / std::sqrt(density(module) * d);
}

double effective_lr(const Module& module) {
  const double lr = setting(lr_of(module));
  if (lr_scaling_of(module) == LrScaling::none) return lr;
  return lr * std::sqrt(reference_density(module) / density(module));
}

StepScalars step_scalars(const Module& module, const Optimizer& optimizer, const OptimizerClock& clock,
                         const UpdateSetting& update) {
  OptimizerClock next = clock;
  next.advance(optimizer);
  const double eta = optimizer.lr.at(clock.t);
  const double lr = effective_lr(module);
  const double kappa = kappa_of(update);
  const double wd = decay_of(module, update.senders);
  const double s = update.input_scale;
  const double b1 = setting(optimizer.b1);
  const double b2 = setting(optimizer.b2);
  StepScalars scalars;
  scalars.alpha = static_cast<float>(eta * lr * kappa * s);
  scalars.k = static_cast<float>(eta * lr * wd);
  scalars.beta = static_cast<float>(lr * kappa * s);
  scalars.delta = static_cast<float>(lr * wd);
  scalars.mu = static_cast<float>(optimizer.momentum);
  scalars.eta = static_cast<float>(eta);
  scalars.b1 = static_cast<float>(b1);
  scalars.c1 = static_cast<float>(1.0 - b1);
  scalars.b2 = static_cast<float>(b2);
  scalars.c2 = static_cast<float>(1.0 - b2);
  scalars.a = static_cast<float>(eta / (1.0 - next.p1));
  scalars.r = static_cast<float>(1.0 / std::sqrt(1.0 - next.p2));
  scalars.eps = static_cast<float>(optimizer.eps);
  scalars.decay = static_cast<float>(eta * setting(optimizer.weight_decay));
  return scalars;
}

}  // namespace relaxon
