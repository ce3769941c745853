// Schedules: which dynamics run before a batch's update, and how a network is evaluated (semantics: section 6).
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/layer_map.hpp"

namespace relaxon {

/// Order in which the rows of one step are written (section 3).
enum class Sweep : std::uint8_t { sequential, synchronous };

/// "sequential" or "synchronous".
std::string_view name_of(Sweep sweep);

/// `iterations` steps with the messages that `filter` keeps; may be 0.
struct Phase {
  Filter filter = Filter::all;
  std::int64_t iterations = 0;
  bool operator==(const Phase&) const = default;
};

/// An update from the state reached so far. Applies to `edges`, or to every trainable edge if empty.
struct UpdatePoint {
  std::vector<EdgeId> edges;
  bool operator==(const UpdatePoint&) const = default;
};

using ScheduleStep = std::variant<Phase, UpdatePoint>;

/// plain: an update point uses the pseudo-gradient of the state reached. contrastive: of the state after the
/// last phase minus that after the first.
enum class UpdateRule : std::uint8_t { plain, contrastive };

/// What one batch does: from init(x, y) the steps in order; without any UpdatePoint one update of all edges at
/// the end. Evaluation: from init(x) the phases of `evaluate`, then predict.
struct Schedule {
  std::vector<ScheduleStep> steps;
  std::vector<Phase> evaluate;
  UpdateRule rule = UpdateRule::plain;
  Filter update_filter = Filter::inference;
  Sweep sweep = Sweep::sequential;

  /// warmup x forward, clamped x all, free x inference; evaluation (warmup + evaluate) x inference.
  static Schedule dynamical(std::int64_t warmup, std::int64_t clamped, std::int64_t free, std::int64_t evaluate);
  /// iterations x all, iterations x inference; evaluation `evaluate` x inference.
  static Schedule two_phase(std::int64_t iterations, std::int64_t evaluate);
  static Schedule two_phase(std::int64_t iterations) { return two_phase(iterations, 2 * iterations); }
  /// free x forward, then clamped x all; evaluation `evaluate` x forward.
  static Schedule alternate(std::int64_t free, std::int64_t clamped, std::int64_t evaluate);
  /// As alternate, with the contrastive rule.
  static Schedule contrastive(std::int64_t free, std::int64_t clamped, std::int64_t evaluate);

  /// The phases among the steps, in order.
  std::vector<Phase> phases() const;

  /// Checks counts and the edges that updates name against `map`. Throws Error.
  void validate(const LayerMap& map) const;

  bool operator==(const Schedule&) const = default;
};

}  // namespace relaxon
