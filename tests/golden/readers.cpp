#include "tests/golden/readers.hpp"

#include <limits>
#include <type_traits>

#include "core/error.hpp"
#include "passes/roles.hpp"
#include "tests/golden/case.hpp"

namespace relaxon::golden {
namespace {

constexpr std::int64_t max_int = std::numeric_limits<int>::max();
constexpr std::int64_t max_iterations = 1'000'000;

/// Reads a value of type T, whatever an argument of a module is.
template <class T>
T read(const JsonValue& value) {
  if constexpr (std::is_same_v<T, double>) {
    return value.number();
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return value.integer();
  } else if constexpr (std::is_same_v<T, PerOutput>) {
    return value.is_list() ? PerOutput(value.numbers()) : PerOutput(value.number());
  } else if constexpr (std::is_same_v<T, LrScaling>) {
    for (const LrScaling scaling : {LrScaling::none, LrScaling::sparsity}) {
      if (value.text() == name_of(scaling)) return scaling;
    }
    value.refuse("none or sparsity");
  } else {
    return read<typename T::value_type>(value);  // an optional
  }
}

template <class M>
void read_arguments(M& module, const JsonValue& arguments) {
  std::vector<std::string> unread = arguments.keys();
  const auto read_one = [&](const auto& argument) {
    std::erase(unread, argument.name);
    using Member = std::remove_reference_t<decltype(module.*argument.member)>;
    if (const auto value = arguments.find(argument.name)) module.*argument.member = read<Member>(*value);
  };
  std::apply([&](const auto&... argument) { (read_one(argument), ...); }, ModuleInfo<M>::arguments);
  if (!unread.empty()) fail("{} has no argument \"{}\"", ModuleInfo<M>::name, unread.front());
}

Filter read_filter(const JsonValue& value) {
  const auto filter = filter_named(value.text());
  if (!filter) value.refuse("all, forward, backward or inference");
  return *filter;
}

std::vector<Phase> read_phases(const JsonValue& value) {
  std::vector<Phase> phases;
  for (const JsonValue& phase : value.list()) {
    phases.push_back({read_filter(phase.at("filter")), phase.at("iterations").integer(0, max_iterations)});
  }
  return phases;
}

Schedule read_schedule(const JsonValue& golden) {
  Schedule schedule;
  for (const Phase& phase : read_phases(golden.at("schedule"))) schedule.steps.emplace_back(phase);
  schedule.evaluate = read_phases(golden.at("evaluate").at("schedule"));
  schedule.update_filter = read_filter(golden.at("update_filter"));
  const JsonValue sweep = golden.at("sweep");
  if (sweep.text() == "synchronous") {
    schedule.sweep = Sweep::synchronous;
  } else if (sweep.text() != "sequential") {
    sweep.refuse("sequential or synchronous");
  }
  const JsonValue rule = golden.at("rule");
  if (rule.text() == "contrastive") {
    schedule.rule = UpdateRule::contrastive;
  } else if (rule.text() != "plain") {
    rule.refuse("plain or contrastive");
  }
  return schedule;
}

Optimizer read_one_optimizer(const JsonValue& value) {
  Optimizer optimizer;
  const auto kind = optimizer_named(value.at("name").text());
  if (!kind) value.at("name").refuse("sgd, adam or adamw");
  optimizer.kind = *kind;
  const JsonValue lr = value.at("lr");
  optimizer.lr = lr.is_list() ? LearningRate(lr.numbers()) : LearningRate(lr.number());
  const auto number = [&](std::string_view key, double& setting) {
    if (const auto given = value.find(key)) setting = given->number();
  };
  number("momentum", optimizer.momentum);
  number("b1", optimizer.b1);
  number("b2", optimizer.b2);
  number("eps", optimizer.eps);
  number("weight_decay", optimizer.weight_decay);
  optimizer.nesterov = value.flag("nesterov");
  return optimizer;
}

OptimizerMap read_optimizers(const JsonValue& value) {
  if (value.has("name")) return read_one_optimizer(value);
  OptimizerMap map(read_one_optimizer(value.at("default")));
  const JsonValue edges = value.at("edges");
  for (const std::string& name : edges.keys()) {
    map.edges[read_edge_name(name)] = read_one_optimizer(edges.at(name));
  }
  return map;
}

LayerMap read_map(const JsonValue& golden) {
  std::vector<Shape> sizes;
  for (const JsonValue& size : golden.at("sizes").list()) {
    Shape& shape = sizes.emplace_back();
    if (!size.is_list()) {
      shape = {size.integer(1, max_int)};
      continue;
    }
    for (const JsonValue& length : size.list()) shape.push_back(length.integer(1, max_int));
  }
  LayerMap map(sizes);
  for (const JsonValue& edge : golden.at("edges").list()) {
    const auto receiver = static_cast<int>(edge.at("receiver").integer(0, max_int));
    const auto sender = static_cast<int>(edge.at("sender").integer(0, max_int));
    std::optional<int> key;
    if (const auto given = edge.find("key")) key = static_cast<int>(given->integer(0, max_int));
    map.add(receiver, sender, read_module(edge.at("module"), edge.at("args")), key);
  }
  return map;
}

Values read_input_values(const JsonValue& golden) {
  if (const auto scale = golden.find("x_scale")) return Values::bytes(static_cast<float>(scale->number()));
  return golden.flag("x_pm1") ? Values::ternary() : Values::real();
}

Values read_label_values(const JsonValue& golden) {
  if (golden.flag("y_pm1")) return Values::ternary();
  const auto values = golden.find("y_values");
  if (!values) return Values::real();
  const std::vector<double> pair = values->numbers();
  if (pair.size() != 2) values->refuse("two numbers");
  return Values::two_valued(static_cast<float>(pair[0]), static_cast<float>(pair[1]));
}

}  // namespace

Module read_module(const JsonValue& name, const JsonValue& arguments) {
  std::optional<Module> module = module_named(name.text());
  if (!module) throw UnknownModule{name.text()};
  std::visit([&](auto& m) { read_arguments(m, arguments); }, *module);
  return *module;
}

RngLayout read_layout(const JsonValue& value) {
  for (const RngLayout layout : {RngLayout::partitionable, RngLayout::original}) {
    if (value.text() == name_of(layout)) return layout;
  }
  value.refuse("partitionable or original");
}

KeyPath read_key_path(const JsonValue& value) {
  KeyPath path;
  for (const JsonValue& step : value.list()) {
    const std::vector<JsonValue> parts = step.list();
    const std::string name = parts.empty() ? "" : parts[0].text();
    if (name == "split" && parts.size() == 3) {
      path.emplace_back(SplitStep{parts[1].integer(1), parts[2].integer()});
    } else if (name == "fold_in" && parts.size() == 2) {
      path.emplace_back(FoldInStep{
          static_cast<std::uint32_t>(parts[1].integer(0, std::numeric_limits<std::uint32_t>::max()))});
    } else {
      step.refuse("[\"split\", count, index] or [\"fold_in\", data]");
    }
  }
  validate(path, "key_path");
  return path;
}

EdgeId read_edge_name(const std::string& name) {
  const std::optional<Role> role = role_named("weight/" + name);
  if (!role) fail("\"{}\": expected an edge such as \"2-1\"", name);
  return role->edge;
}

Network read_network(const JsonValue& golden) {
  Network network;
  network.map = read_map(golden);
  network.schedule = read_schedule(golden);
  network.optimizer = read_optimizers(golden.at("optimizer"));
  network.input = read_input_values(golden);
  network.label = read_label_values(golden);
  network.seed = golden.at("seed").seed();
  network.rng = read_layout(golden.at("rng_layout"));
  network.keys = static_cast<int>(golden.at("num_keys").integer(1, max_int));
  network.fixed_bits = static_cast<int>(golden.at("F").integer(min_fixed_bits, max_fixed_bits));
  return network;
}

}  // namespace relaxon::golden
