// From a declaration to a plan, step by step: lower a network to a graph, watch what each pass makes of it,
// plan the result. Graphs and plans are values with a text form that parses back to the same value.
//
//     build/release/examples/plan_opt
//
// prints the passes that change something (name, ops before and after), then the plan of an epoch.
#include <fmt/format.h>

#include <cstdint>
#include <exception>
#include <string>

#include "frontends/cpp/relaxon.hpp"

using namespace relaxon;

namespace {

/// Signs in, a row of sparsely coupled units with feedback of the labels, 10 classes out.
Network declare() {
  LayerMap map({100, 300, 10});
  map.add(1, 0, FullyConnected{.strength = 5, .threshold = 1});
  map.add(1, 1, SparseRecurrentDiscrete{.j_d = 0.5, .threshold = 1, .sparsity = 0.95});
  map.add(1, 2, FrozenFullyConnected{.strength = 0.5, .threshold = 0});
  map.add(2, 1, FullyConnected{.strength = 1, .threshold = 1});
  map.add(2, 2, OutputLayer{});
  return {.map = map,
          .schedule = Schedule::dynamical(/*warmup=*/1, /*clamped=*/7, /*free=*/7, /*evaluate=*/14),
          .optimizer = Optimizer::adam(2e-3),
          .input = Values::ternary(),
          .label = label_values(LabelMode::pm1, 10)};
}

void report(const PassRecord& pass, const Graph&) {
  fmt::print("{:<12}  {:>3} -> {:>3} ops\n", pass.name, pass.ops_before, pass.ops_after);
}

void show() {
  const Network network = declare();
  network.validate();
  const Graph lowered = lower_train_epoch(network);
  const Graph optimised =
      optimise(lowered, {.selection = PassSelection::parse("default"), .observer = report});
  const Plan plan = make_plan(optimised);
  const std::string text = print(plan);
  if (parse_plan(text, "plan") != plan) fail("the plan's text says something else");
  fmt::print("\n{}", text);
}

}  // namespace

int main() {
  try {
    show();
  } catch (const std::exception& error) {
    fmt::print(stderr, "plan_opt: {}\n", error.what());
    return 1;
  }
}
