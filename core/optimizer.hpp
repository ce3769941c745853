// Optimizers and learning rates (semantics: sections 7 and 11).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "core/layer_map.hpp"

namespace relaxon {

/// A rate that changes with the optimizer's step t (0 at the first): from (t+1)/warmup while t < warmup, then
/// from `from` to `to` over steps - warmup steps.
struct RateSchedule {
  enum class Kind : std::uint8_t { linear, cosine, step };
  Kind kind = Kind::linear;
  double from = 0, to = 0;
  std::int64_t steps = 1;
  std::int64_t warmup = 0;
  bool operator==(const RateSchedule&) const = default;
};

/// "linear", "cosine" or "step".
std::string_view name_of(RateSchedule::Kind kind);

/// A number, a list (value t at step t, the last one repeated) or a schedule.
struct LearningRate {
  std::variant<double, std::vector<double>, RateSchedule> value = 0.0;

  LearningRate() = default;
  LearningRate(double rate) : value(rate) {}                      // NOLINT: a plain number is meant to convert
  LearningRate(std::vector<double> rates) : value(std::move(rates)) {}  // NOLINT
  LearningRate(RateSchedule schedule) : value(schedule) {}        // NOLINT

  /// The rate of step t, rounded to float32.
  float at(std::int64_t t) const;
  bool operator==(const LearningRate&) const = default;
};

enum class OptimizerKind : std::uint8_t { sgd, adam, adamw };

std::string_view name_of(OptimizerKind kind);
std::optional<OptimizerKind> optimizer_named(std::string_view name);

/// How a pseudo-gradient moves a weight. Settings are float32 where they are used.
struct Optimizer {
  OptimizerKind kind = OptimizerKind::sgd;
  LearningRate lr;
  double momentum = 0;              // sgd
  bool nesterov = false;            // sgd
  double b1 = 0.9, b2 = 0.999;      // adam, adamw
  double eps = 1e-8;                // adam, adamw
  double weight_decay = 0;          // adamw

  static Optimizer sgd(LearningRate lr, double momentum = 0, bool nesterov = false);
  static Optimizer adam(LearningRate lr, double b1 = 0.9, double b2 = 0.999, double eps = 1e-8);
  static Optimizer adamw(LearningRate lr, double weight_decay, double b1 = 0.9, double b2 = 0.999, double eps = 1e-8);

  /// Number of moment arrays kept per weight: sgd 0, with momentum 1, adam and adamw 2.
  int moments() const;
  /// Throws Error starting with `where`.
  void validate(std::string_view where) const;
  bool operator==(const Optimizer&) const = default;
};

/// The default optimizer and those of single edges, which replace it entirely.
struct OptimizerMap {
  Optimizer fallback;
  std::map<EdgeId, Optimizer> edges;

  OptimizerMap() = default;
  OptimizerMap(Optimizer all) : fallback(std::move(all)) {}  // NOLINT: one optimizer is meant to convert

  const Optimizer& at(EdgeId edge) const;
  /// Throws Error; an edge that isn't trainable in `map` can't have an optimizer.
  void validate(const LayerMap& map) const;
  bool operator==(const OptimizerMap&) const = default;
};

}  // namespace relaxon
