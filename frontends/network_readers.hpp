// How the values of a network file are read (frontends/toml_reader.hpp): words, shapes, rates, phases, keys.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/data/options.hpp"
#include "core/network.hpp"
#include "frontends/toml_reader.hpp"

namespace relaxon {

template <>
struct Choices<RngLayout> {
  static constexpr std::array values{RngLayout::partitionable, RngLayout::original};
};
template <>
struct Choices<LrScaling> {
  static constexpr std::array values{LrScaling::none, LrScaling::sparsity};
};
template <>
struct Choices<Filter> {
  static constexpr std::array values{Filter::all, Filter::forward, Filter::backward, Filter::inference};
};
template <>
struct Choices<Sweep> {
  static constexpr std::array values{Sweep::sequential, Sweep::synchronous};
};
template <>
struct Choices<OptimizerKind> {
  static constexpr std::array values{OptimizerKind::sgd, OptimizerKind::adam, OptimizerKind::adamw};
};
template <>
struct Choices<RateSchedule::Kind> {
  static constexpr std::array values{RateSchedule::Kind::linear, RateSchedule::Kind::cosine,
                                     RateSchedule::Kind::step};
};
template <>
struct Choices<DataSource> {
  static constexpr std::array values{DataSource::fashion_mnist, DataSource::mnist, DataSource::idx};
};
template <>
struct Choices<LabelMode> {
  static constexpr std::array values{LabelMode::c_rescale, LabelMode::pm1, LabelMode::ooe};
};
template <>
struct Choices<Transform> {
  static constexpr std::array values{Transform::sign, Transform::tanh, Transform::identity};
};
template <>
struct Choices<Rescaling> {
  static constexpr std::array values{Rescaling::divide255, Rescaling::none, Rescaling::standardize};
};
template <>
struct Choices<Recipe> {
  static constexpr std::array values{Recipe::epochs, Recipe::once};
};

/// Seeds are what a TOML integer can hold.
using Seed = Bounded<0, std::numeric_limits<std::int64_t>::max()>;
/// Sweeps, epochs: far above what anybody waits for, low enough that sums can't overflow.
using Count = Bounded<0, 1'000'000'000>;

/// The size of a buffer: 784 or [28, 28, 8].
template <>
struct TomlReader<Shape> {
  static std::string expected() { return "an integer or a list of integers"; }
  static Shape read(const TomlValue& value);
};

/// The sizes of all buffers.
template <>
struct TomlReader<std::vector<Shape>> {
  static std::string expected() { return "a list of sizes"; }
  static std::vector<Shape> read(const TomlValue& value) { return read_list<Shape>(value, expected()); }
};

template <>
struct TomlReader<PerOutput> {
  static std::string expected() { return "a number or a list of numbers"; }
  static PerOutput read(const TomlValue& value);
};

/// A number, a list of numbers or { schedule = "linear", from, to, steps, warmup }.
template <>
struct TomlReader<LearningRate> {
  static std::string expected() { return "a number, a list of numbers or a schedule"; }
  static LearningRate read(const TomlValue& value);
};

/// "2-1": receiver, then sender.
template <>
struct TomlReader<EdgeId> {
  static std::string expected() { return "an edge such as \"2-1\", receiver and sender"; }
  static EdgeId read(const TomlValue& value);
  /// The edge that a word names; nullopt if it names none.
  static std::optional<EdgeId> parse(std::string_view word);
};

template <>
struct TomlReader<Module> {
  static std::string expected() { return "one of " + module_names(); }
  /// The module of that name, its arguments not yet set.
  static Module read(const TomlValue& value);
};

/// { filter = "all", iterations = 5 }
template <>
struct TomlReader<Phase> {
  static Phase read(const TomlValue& value);
};
template <>
struct TomlReader<std::vector<Phase>> {
  static std::string expected() { return "a list of phases"; }
  static std::vector<Phase> read(const TomlValue& value) { return read_list<Phase>(value, expected()); }
};

/// A phase or { update = ["2-1"] }
template <>
struct TomlReader<ScheduleStep> {
  static ScheduleStep read(const TomlValue& value);
};
template <>
struct TomlReader<std::vector<ScheduleStep>> {
  static std::string expected() { return "a list of phases and updates"; }
  static std::vector<ScheduleStep> read(const TomlValue& value) {
    return read_list<ScheduleStep>(value, expected());
  }
};

/// [["split", 2, 1], ["fold_in", 3]]
template <>
struct TomlReader<KeyPath> {
  static std::string expected() { return "a list of [\"split\", count, index] and [\"fold_in\", data]"; }
  static KeyPath read(const TomlValue& value);
};

template <>
struct TomlReader<Optimizer> {
  /// Without looking at `also_known`, keys that are not about the optimizer itself.
  static Optimizer read(const TomlValue& value, const std::vector<std::string_view>& also_known = {});
};

template <>
struct TomlReader<Schedule> {
  static Schedule read(const TomlValue& value);
};

template <>
struct TomlReader<DataOptions> {
  static DataOptions read(const TomlValue& value);
};

}  // namespace relaxon
