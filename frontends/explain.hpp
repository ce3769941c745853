// Why a plan is as it is: its steps with what they compute, their kernels, layouts and costs, and what was
// not done.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/network.hpp"
#include "passes/pipeline.hpp"
#include "passes/plan/cost.hpp"
#include "passes/plan/plan.hpp"
#include "passes/probe.hpp"
#include "runtime/target.hpp"

namespace relaxon {

struct StepExplanation {
  std::string name;              // the values it computes, "%h1 %s1"
  std::vector<std::string> ops;  // the ops it stands for, with their edge, "message 1-0"
  std::string kernel;
  std::string layout;  // storages of what it reads and writes, "bytes, columns -> reals"
  int threads = 1;     // that share it where a team runs the plan
  std::string why;
  // Of one run: those in the body of a scan run once an iteration. 0 for the scan itself.
  double flops = 0, bytes = 0;
  std::optional<double> estimated_us;  // a measured target only (runtime/target.hpp)
  int depth = 0;                       // scans around it
  std::int32_t position = -1;          // in the order the plan's steps are printed

  // After a run (frontends/analyze.hpp): of a batch, a scan without its body.
  std::optional<double> runs;         // how often it ran; fractions where phases end early
  std::optional<double> measured_us;  // all of them together
  std::optional<double> roofline;     // share of what the machine could have done in that time
};

/// Something that a faster plan would have done.
struct NotDone {
  std::string what, why;
};

/// What a run showed of the dynamics.
struct Observation {
  std::string what, value;
};

struct PlanExplanation {
  std::vector<StepExplanation> steps;
  std::vector<NotDone> not_done;
  std::vector<Observation> seen;
};

struct Explanation {
  Target target;
  std::int64_t batch = 1;
  PlanExplanation train, evaluate;
};

/// The ops that a step computes, with their edge: "message 1-0". Steps that only move values compute none.
std::vector<std::string> ops_of(const Step& step);

/// What a plan does for each batch: the body of its epoch loop, or all of it if it has none.
PlanExplanation explain(const Plan& plan, const PlanSizes& sizes, const Target& target);

/// What is looked at as the network runs.
struct ExplainedProbes {
  std::vector<Probe> train, evaluate;
};

/// The epochs of a network in batches of `batch`, optimised as `options` say. Draws the network's weights to
/// count the connections of its patterns. Throws Error.
Explanation explain(const Network& network, std::int64_t batch, const Target& target,
                    const PassOptions& options = {}, const ExplainedProbes& probes = {});

std::string to_text(const Explanation& explanation);

/// {"target":{..},"train":{"steps":[..],"not_done":[..]},"evaluate":{..}}; estimated_us is null where there
/// is no estimate. After a run steps have "runs", "measured_us" and "roofline", and there is a list "seen".
nlohmann::ordered_json to_json(const Explanation& explanation);

}  // namespace relaxon
