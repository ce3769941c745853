#include "frontends/network_readers.hpp"

#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

#include "core/error.hpp"

namespace relaxon {
namespace {

/// What the word of `kind` stands for.
enum class ScheduleKind : std::uint8_t { dynamical, two_phase, alternate, contrastive, custom };

std::string_view name_of(ScheduleKind kind) {
  switch (kind) {
    case ScheduleKind::dynamical: return "dynamical";
    case ScheduleKind::two_phase: return "two-phase";
    case ScheduleKind::alternate: return "alternate";
    case ScheduleKind::contrastive: return "contrastive";
    case ScheduleKind::custom: return "custom";
  }
  internal_error("unknown kind of schedule {}", static_cast<int>(kind));
}

/// Reads an integer at the start of `text` and takes it off.
std::optional<int> take_integer(std::string_view& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

RateSchedule read_rate_schedule(const TomlValue& value) {
  RateSchedule schedule;
  read_table(value, required_key("schedule", schedule.kind), required_key("from", schedule.from),
             required_key("to", schedule.to), required_key("steps", schedule.steps),
             optional_key("warmup", schedule.warmup));
  return schedule;
}

}  // namespace

template <>
struct Choices<ScheduleKind> {
  static constexpr std::array values{ScheduleKind::dynamical, ScheduleKind::two_phase,
                                     ScheduleKind::alternate, ScheduleKind::contrastive,
                                     ScheduleKind::custom};
};

Shape TomlReader<Shape>::read(const TomlValue& value) {
  if (value.node().is_integer()) return {TomlReader<std::int64_t>::read(value)};
  return read_list<std::int64_t>(value, expected());
}

PerOutput TomlReader<PerOutput>::read(const TomlValue& value) {
  if (value.node().is_number()) return TomlReader<double>::read(value);
  return read_list<double>(value, expected());
}

LearningRate TomlReader<LearningRate>::read(const TomlValue& value) {
  if (value.node().is_number()) return TomlReader<double>::read(value);
  if (value.node().is_table()) return read_rate_schedule(value);
  return read_list<double>(value, expected());
}

std::optional<EdgeId> TomlReader<EdgeId>::parse(std::string_view word) {
  std::string_view rest = word;
  const auto receiver = take_integer(rest);
  if (!receiver || !rest.starts_with('-')) return std::nullopt;
  rest.remove_prefix(1);
  const auto sender = take_integer(rest);
  if (!sender) return std::nullopt;
  const EdgeId edge{*receiver, *sender};
  // Only the usual way of writing it, so that an edge has one name.
  return to_string(edge) == word ? std::optional(edge) : std::nullopt;
}

EdgeId TomlReader<EdgeId>::read(const TomlValue& value) {
  const auto* word = value.node().as_string();
  const auto edge = word == nullptr ? std::nullopt : parse(word->get());
  if (!edge) value.refuse(expected());
  return *edge;
}

Module TomlReader<Module>::read(const TomlValue& value) {
  const auto* word = value.node().as_string();
  const auto module = word == nullptr ? std::nullopt : module_named(word->get());
  if (!module) value.refuse(expected());
  return *module;
}

Phase TomlReader<Phase>::read(const TomlValue& value) {
  Phase phase;
  Count iterations;
  read_table(value, required_key("filter", phase.filter), required_key("iterations", iterations));
  phase.iterations = iterations.value;
  return phase;
}

ScheduleStep TomlReader<ScheduleStep>::read(const TomlValue& value) {
  const auto update = value.find("update");
  if (!update) return TomlReader<Phase>::read(value);
  check_keys(value, {"update"});
  constexpr std::string_view expected = "a list of edges such as [\"2-1\"]";
  UpdatePoint point{read_list<EdgeId>(*update, expected)};
  if (point.edges.empty()) update->refuse(expected);
  return point;
}

KeyPath TomlReader<KeyPath>::read(const TomlValue& value) {
  KeyPath path;
  const std::size_t steps = value.list(expected()).size();
  for (std::size_t i = 0; i < steps; ++i) {
    const TomlValue step = value.element(i);
    constexpr std::string_view form = "[\"split\", count, index] or [\"fold_in\", data]";
    const toml::array& parts = step.list(form);
    const auto name = parts.empty() ? std::nullopt : parts[0].value_exact<std::string_view>();
    if (name == "split" && parts.size() == 3) {
      path.emplace_back(SplitStep{.count = TomlReader<std::int64_t>::read(step.element(1)),
                                  .index = TomlReader<std::int64_t>::read(step.element(2))});
    } else if (name == "fold_in" && parts.size() == 2) {
      using Data = Bounded<0, std::numeric_limits<std::uint32_t>::max()>;
      const Data data = TomlReader<Data>::read(step.element(1));
      path.emplace_back(FoldInStep{static_cast<std::uint32_t>(data.value)});
    } else {
      step.refuse(form);
    }
  }
  return path;
}

Optimizer TomlReader<Optimizer>::read(const TomlValue& value,
                                      const std::vector<std::string_view>& also_known) {
  Optimizer optimizer;
  read_key(value, required_key("name", optimizer.kind));
  const auto read = [&](const auto&... fields) {
    std::vector<std::string_view> known{"name", fields.name...};
    known.insert(known.end(), also_known.begin(), also_known.end());
    check_keys(value, known);
    (read_key(value, fields), ...);
  };
  const auto lr = required_key("lr", optimizer.lr);
  const auto b1 = optional_key("b1", optimizer.b1);
  const auto b2 = optional_key("b2", optimizer.b2);
  const auto eps = optional_key("eps", optimizer.eps);
  switch (optimizer.kind) {
    case OptimizerKind::sgd:
      read(lr, optional_key("momentum", optimizer.momentum), optional_key("nesterov", optimizer.nesterov));
      break;
    case OptimizerKind::adam: read(lr, b1, b2, eps); break;
    case OptimizerKind::adamw:
      read(lr, b1, b2, eps, required_key("weight_decay", optimizer.weight_decay));
      break;
  }
  return optimizer;
}

Schedule TomlReader<Schedule>::read(const TomlValue& value) {
  ScheduleKind kind = ScheduleKind::dynamical;
  Schedule schedule;
  Sweep sweep = schedule.sweep;
  Filter update_filter = schedule.update_filter;
  const auto read = [&](const auto&... fields) {
    read_table(value, required_key("kind", kind), fields..., optional_key("sweep", sweep),
               optional_key("update_filter", update_filter));
  };
  Count warmup, clamped, free, iterations, evaluate;
  read_key(value, required_key("kind", kind));
  switch (kind) {
    case ScheduleKind::dynamical:
      read(required_key("warmup", warmup), required_key("clamped", clamped), required_key("free", free),
           required_key("evaluate", evaluate));
      schedule = Schedule::dynamical(warmup.value, clamped.value, free.value, evaluate.value);
      break;
    case ScheduleKind::two_phase: {
      std::optional<Count> given;
      read(required_key("iterations", iterations), optional_key("evaluate", given));
      schedule =
          given ? Schedule::two_phase(iterations.value, given->value) : Schedule::two_phase(iterations.value);
      break;
    }
    case ScheduleKind::alternate:
    case ScheduleKind::contrastive: {
      read(required_key("free", free), required_key("clamped", clamped), required_key("evaluate", evaluate));
      const auto make = kind == ScheduleKind::alternate ? &Schedule::alternate : &Schedule::contrastive;
      schedule = make(free.value, clamped.value, evaluate.value);
      break;
    }
    case ScheduleKind::custom:
      read(required_key("phases", schedule.steps), required_key("evaluate_phases", schedule.evaluate));
      break;
  }
  schedule.sweep = sweep;
  schedule.update_filter = update_filter;
  return schedule;
}

DataOptions TomlReader<DataOptions>::read(const TomlValue& value) {
  DataOptions data;
  Seed seed;
  read_table(
      value, required_key("name", data.name), optional_key("path", data.path), optional_key("seed", seed),
      optional_key("key_path", data.key_path), optional_key("batch_size", data.batch_size),
      optional_key("linear_projection", data.linear_projection),
      optional_key("num_images_per_class", data.num_images_per_class),
      optional_key("label_mode", data.label_mode), optional_key("x_transform", data.x_transform),
      optional_key("rescaling", data.rescaling),
      optional_key("validation_fraction", data.validation_fraction), optional_key("flatten", data.flatten),
      optional_key("shuffle", data.shuffle), optional_key("recipe", data.recipe));
  data.seed = static_cast<std::uint64_t>(seed.value);
  return data;
}

}  // namespace relaxon
