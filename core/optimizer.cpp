#include "core/optimizer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/error.hpp"

namespace relaxon {
namespace {

constexpr std::array<std::pair<OptimizerKind, std::string_view>, 3> optimizer_names{
    {{OptimizerKind::sgd, "sgd"}, {OptimizerKind::adam, "adam"}, {OptimizerKind::adamw, "adamw"}}};

double at_step(const RateSchedule& s, std::int64_t t) {
  if (t < s.warmup) return s.from * static_cast<double>(t + 1) / static_cast<double>(s.warmup);
  const double p = std::min(1.0, static_cast<double>(t - s.warmup) / static_cast<double>(s.steps - s.warmup));
  switch (s.kind) {
    case RateSchedule::Kind::linear: return s.from + (s.to - s.from) * p;
    case RateSchedule::Kind::cosine: return s.to + (s.from - s.to) * (1 + std::cos(std::numbers::pi * p)) / 2;
    case RateSchedule::Kind::step: return p < 1 ? s.from : s.to;
  }
  internal_error("unknown rate schedule {}", static_cast<int>(s.kind));
}

void check_rate(double rate, std::string_view where, std::string_view name) {
  if (!(std::abs(rate) <= std::numeric_limits<float>::max())) {
    fail("{}: {} = {}; expected a finite float32", where, name, rate);
  }
}

void check_share(double value, std::string_view where, std::string_view name) {
  // As float32, because that is what is used: 0.99999999999 would become 1.
  if (!(value >= 0 && static_cast<float>(value) < 1)) {
    fail("{}: {} = {}; expected 0 <= {} < 1", where, name, value, name);
  }
}

void validate_rate(const LearningRate& lr, std::string_view where) {
  if (const auto* rate = std::get_if<double>(&lr.value)) return check_rate(*rate, where, "lr");
  if (const auto* list = std::get_if<std::vector<double>>(&lr.value)) {
    if (list->empty()) fail("{}: lr is an empty list; expected at least one rate", where);
    for (std::size_t t = 0; t < list->size(); ++t) check_rate((*list)[t], where, fmt::format("lr[{}]", t));
    return;
  }
  const auto& schedule = std::get<RateSchedule>(lr.value);
  check_rate(schedule.from, where, "lr.from");
  check_rate(schedule.to, where, "lr.to");
  if (schedule.warmup < 0) fail("{}: lr.warmup = {}; expected at least 0", where, schedule.warmup);
  if (schedule.steps <= schedule.warmup) {
    fail("{}: lr.steps = {}; expected more than lr.warmup = {}", where, schedule.steps, schedule.warmup);
  }
}

}  // namespace

float LearningRate::at(std::int64_t t) const {
  if (const auto* rate = std::get_if<double>(&value)) return static_cast<float>(*rate);
  if (const auto* list = std::get_if<std::vector<double>>(&value)) {
    const auto last = static_cast<std::int64_t>(list->size()) - 1;
    return static_cast<float>((*list)[static_cast<std::size_t>(std::min(t, last))]);
  }
  return static_cast<float>(at_step(std::get<RateSchedule>(value), t));
}

std::string_view name_of(RateSchedule::Kind kind) {
  switch (kind) {
    case RateSchedule::Kind::linear: return "linear";
    case RateSchedule::Kind::cosine: return "cosine";
    case RateSchedule::Kind::step: return "step";
  }
  internal_error("unknown rate schedule {}", static_cast<int>(kind));
}

std::string_view name_of(OptimizerKind kind) {
  for (const auto& [value, name] : optimizer_names) {
    if (value == kind) return name;
  }
  internal_error("unknown optimizer {}", static_cast<int>(kind));
}

std::optional<OptimizerKind> optimizer_named(std::string_view wanted) {
  for (const auto& [value, name] : optimizer_names) {
    if (name == wanted) return value;
  }
  return std::nullopt;
}

Optimizer Optimizer::sgd(LearningRate lr, double momentum, bool nesterov) {
  Optimizer o;
  o.lr = std::move(lr);
  o.momentum = momentum;
  o.nesterov = nesterov;
  return o;
}

Optimizer Optimizer::adam(LearningRate lr, double b1, double b2, double eps) {
  Optimizer o;
  o.kind = OptimizerKind::adam;
  o.lr = std::move(lr);
  o.b1 = b1;
  o.b2 = b2;
  o.eps = eps;
  return o;
}

Optimizer Optimizer::adamw(LearningRate lr, double weight_decay, double b1, double b2, double eps) {
  Optimizer o = adam(std::move(lr), b1, b2, eps);
  o.kind = OptimizerKind::adamw;
  o.weight_decay = weight_decay;
  return o;
}

int Optimizer::moments() const {
  if (kind != OptimizerKind::sgd) return 2;
  return static_cast<float>(momentum) == 0 ? 0 : 1;
}

void Optimizer::validate(std::string_view where) const {
  validate_rate(lr, where);
  if (kind == OptimizerKind::sgd) {
    check_share(momentum, where, "momentum");
    return;
  }
  check_share(b1, where, "b1");
  check_share(b2, where, "b2");
  if (!(eps > 0 && static_cast<float>(eps) > 0 && eps <= std::numeric_limits<float>::max())) {
    fail("{}: eps = {}; expected a positive float32", where, eps);
  }
  check_rate(weight_decay, where, "weight_decay");
}

const Optimizer& OptimizerMap::at(EdgeId edge) const {
  const auto found = edges.find(edge);
  return found == edges.end() ? fallback : found->second;
}

void OptimizerMap::validate(const LayerMap& map) const {
  fallback.validate("optimizer");
  for (const auto& [id, optimizer] : edges) {
    const std::string where = fmt::format("optimizer of edge {}", to_string(id));
    const auto found = map.edges().find(id);
    if (found == map.edges().end()) fail("{}: the edge is not in the map", where);
    if (!is_trainable(found->second.module)) fail("{}: {} is not trainable", where, name_of(found->second.module));
    optimizer.validate(where);
  }
}

}  // namespace relaxon
