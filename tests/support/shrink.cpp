#include "tests/support/shrink.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "core/error.hpp"

namespace relaxon::testing {
namespace {

/// What is left without one edge; it need not be a valid network.
Network without_edge(const Network& network, EdgeId removed) {
  Network smaller = network;
  smaller.map = LayerMap(network.map.sizes());
  for (const auto& [id, edge] : network.map.edges()) {
    if (id != removed) smaller.map.add(id.receiver, id.sender, edge.module, network.map.key_index(id));
  }
  smaller.keys = network.key_count();
  smaller.optimizer.edges.erase(removed);
  for (ScheduleStep& step : smaller.schedule.steps) {
    if (auto* point = std::get_if<UpdatePoint>(&step)) std::erase(point->edges, removed);
  }
  return smaller;
}

std::vector<Network> candidates(const Network& network) {
  std::vector<Network> all;
  for (const auto& [id, edge] : network.map.edges()) {
    if (!is_layer(edge.module)) all.push_back(without_edge(network, id));
  }
  for (std::size_t i = 0; i < network.schedule.steps.size(); ++i) {
    all.push_back(network);
    auto& steps = all.back().schedule.steps;
    steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(i));
  }
  for (const auto& [id, optimizer] : network.optimizer.edges) {
    all.push_back(network);
    all.back().optimizer.edges.erase(id);
  }
  return all;
}

bool valid(const Network& network) {
  try {
    network.validate();
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::string number_text(const PerOutput& value) {
  return value.is_vector ? fmt::format("[{}]", fmt::join(value.values, ", "))
                         : fmt::format("{}", value.values.at(0));
}

struct ArgumentText {
  std::string text;
  void add(std::string_view name, std::string_view value) { text += fmt::format("{} = {}\n", name, value); }
  void operator()(std::string_view name, const PerOutput& v) { add(name, number_text(v)); }
  void operator()(std::string_view name, double v) { add(name, fmt::format("{}", v)); }
  void operator()(std::string_view name, const std::optional<double>& v) {
    add(name, fmt::format("{}", v.value_or(0)));
  }
  void operator()(std::string_view, const std::optional<std::int64_t>&) {}
  void operator()(std::string_view name, LrScaling v) {
    if (v == LrScaling::sparsity) add(name, "\"sparsity\"");
  }
};

std::string arguments_text(const Module& module) {
  ArgumentText text;
  std::visit(
      [&]<class M>(const M& m) {
        std::apply([&](const auto&... argument) { (text(argument.name, m.*argument.member), ...); },
                   ModuleInfo<M>::arguments);
      },
      module);
  return text.text;
}

std::string phases_text(const Schedule& schedule) {
  std::string text;
  for (const ScheduleStep& step : schedule.steps) {
    if (const auto* phase = std::get_if<Phase>(&step)) {
      text += fmt::format("  {{ filter = \"{}\", iterations = {} }},\n", name_of(phase->filter),
                          phase->iterations);
      continue;
    }
    std::string edges;
    for (const EdgeId id : std::get<UpdatePoint>(step).edges)
      edges += fmt::format("{}\"{}\"", edges.empty() ? "" : ", ", to_string(id));
    text += fmt::format("  {{ update = [{}] }},\n", edges);
  }
  return text;
}

std::string optimizer_text(const Optimizer& o) {
  std::string text = fmt::format("name = \"{}\"\nlr = {}\n", name_of(o.kind), o.lr.at(0));
  if (o.kind == OptimizerKind::sgd)
    return text + fmt::format("momentum = {}\nnesterov = {}\n", o.momentum, o.nesterov);
  text += fmt::format("b1 = {}\nb2 = {}\neps = {}\n", o.b1, o.b2, o.eps);
  return o.kind == OptimizerKind::adamw ? text + fmt::format("weight_decay = {}\n", o.weight_decay) : text;
}

}  // namespace

Network shrunk(Network network, const std::function<bool(const Network&)>& fails) {
  const auto still_fails = [&](const Network& candidate) {
    try {
      return fails(candidate);
    } catch (const std::exception&) {
      return true;
    }
  };
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (const Network& candidate : candidates(network)) {
      if (!valid(candidate) || !still_fails(candidate)) continue;
      network = candidate;
      smaller = true;
      break;
    }
  }
  return network;
}

std::string network_text(const Network& network) {
  std::vector<std::int64_t> units;
  for (int b = 0; b < network.map.buffers(); ++b) units.push_back(network.map.units(b));
  std::string text =
      fmt::format("[network]\nsizes = [{}]\nseed = {}\nkeys = {}\nfixed_bits = {}\n", fmt::join(units, ", "),
                  network.seed, network.key_count(), network.fixed_bits);
  for (const auto& [id, edge] : network.map.edges()) {
    text += fmt::format("\n[[edge]]\nreceiver = {}\nsender = {}\nmodule = \"{}\"\n{}", id.receiver, id.sender,
                        name_of(edge.module), arguments_text(edge.module));
    if (has_weight(edge.module)) text += fmt::format("key = {}\n", network.map.key_index(id));
  }
  text += fmt::format(
      "\n[schedule]\nkind = \"custom\"  # rule: {}\nupdate_filter = \"{}\"\nsweep = \"{}\"\nphases = "
      "[\n{}]\n",
      network.schedule.rule == UpdateRule::contrastive ? "contrastive" : "plain",
      name_of(network.schedule.update_filter), name_of(network.schedule.sweep),
      phases_text(network.schedule));
  text += "\n[optimizer]\n" + optimizer_text(network.optimizer.fallback);
  for (const auto& [id, optimizer] : network.optimizer.edges) {
    text += fmt::format("[optimizer.edge.\"{}\"]\n{}", to_string(id), optimizer_text(optimizer));
  }
  return text;
}

}  // namespace relaxon::testing
