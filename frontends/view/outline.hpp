// A graph or a plan as it is shown: named values, ops or steps, bodies. What JSON and pictures are made from;
// names are those of the text form.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ir/graph.hpp"
#include "passes/plan/plan.hpp"

namespace relaxon {

/// An op of a graph or a step of a plan.
struct OutlineStep {
  std::string kind;                  // of the op ("message") or the kernel ("advance")
  OpKind op = OpKind::zeros;         // what it computes
  bool moves = false;                // a step that only moves values
  std::vector<std::string> results;  // "%h1"
  std::vector<std::string> types;    // of the results: "fix[B,300]"
  std::vector<std::string> operands;
  std::string attributes;          // as in the text form: "{dense edge=1-0}"
  std::optional<EdgeId> edge;      // that it belongs to
  std::vector<std::string> fused;  // the ops that a step computes in one go, if there are several
  std::string covers, why;         // of a step
  std::string threads;             // of a step that several threads share
  std::int64_t whole_from = 0;     // of a follow: Step::whole_from

  // scan, for and fuse only.
  struct Carry {
    std::string name, start;
  };
  bool region = false;
  std::string index;  // of the batch
  std::vector<Carry> carries;
  std::vector<std::string> until, yielded;
  std::vector<OutlineStep> body;
};

struct Outline {
  struct Port {
    std::string name, value;
  };
  struct SlotLine {
    std::string name, value, type, storage;  // `value`: what it holds first
    std::int32_t first = 0, last = 0;
  };
  std::string stage;  // "lowered", "optimised" or "planned", or what else it is called
  std::string name;
  int fixed_bits = 20;
  std::vector<PatternDeclaration> patterns;
  std::vector<SlotLine> slots;  // of a plan
  std::vector<Port> bindings, results;
  std::vector<OutlineStep> steps;
};

Outline outline(const Graph& graph, std::string stage);
Outline outline(const Plan& plan);

}  // namespace relaxon
