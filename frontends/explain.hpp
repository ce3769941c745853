// Why a plan is as it is: its steps with what they compute, their kernels, layouts and costs, and what was
// not done.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/network.hpp"
#include "core/target.hpp"
#include "passes/pipeline.hpp"
#include "passes/plan/cost_model.hpp"
#include "passes/plan/evaluation_batch.hpp"
#include "passes/plan/plan.hpp"
#include "passes/probe.hpp"
#include "runtime/program.hpp"

namespace relaxon {

/// What a run showed of the dynamics.
struct Observation {
  std::string what, value;
};

struct StepExplanation {
  std::string name;              // the values it computes, "%h1 %s1"
  std::vector<std::string> ops;  // the ops it stands for, with their edge, "message 1-0"
  std::string kernel;
  std::string layout;  // storages of what it reads and writes, "bytes, columns -> reals"
  int threads = 1;     // that share it where a team runs the plan
  std::string why;
  std::vector<std::string> choices;  // what the cost model decided, and by which estimates
  // Of one run: those in the body of a scan run once an iteration. 0 for the scan itself.
  double flops = 0, bytes = 0;
  // Of a batch: runs, and all of them together on one thread (passes/plan/cost_model.hpp); a scan without its
  // body.
  double estimated_runs = 1, estimated_us = 0;
  int depth = 0;               // scans around it
  std::int32_t position = -1;  // in the order the plan's steps are printed

  // After a run (frontends/analyze.hpp): of a batch, a scan without its body.
  std::optional<double> runs;         // how often it ran; fractions where phases end early
  std::optional<double> measured_us;  // all of them together
  std::optional<double> roofline;     // share of what the machine could have done in that time
  std::vector<Observation> seen;      // which senders flipped, what was skipped
};

/// Something that a faster plan would have done.
struct NotDone {
  std::string what, why;
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
  EvaluationBatch evaluated = {};  // the batch that `evaluate` is of
  int threads = 1;                 // that times are of
  std::string backend{name_of(Backend::kernels)};
};

/// How many of the measured steps the model has estimated within a factor of 2.
struct EstimateQuality {
  std::int64_t steps = 0, within_two = 0;
};
EstimateQuality estimate_quality(const Explanation& explanation);

/// The ops that a step computes, with their edge: "message 1-0". Steps that only move values compute none.
std::vector<std::string> ops_of(const Step& step);

/// What a plan does for each batch: the body of its epoch loop, or all of it if it has none. `rates` are
/// those of its steps in the order they are printed (default: default_rates()); times are those on so many
/// threads.
PlanExplanation explain(const Plan& plan, const PlanSizes& sizes, const Target& target,
                        std::vector<StepRates> rates = {}, int threads = 1);

/// What is looked at as the network runs.
struct ExplainedProbes {
  std::vector<Probe> train, evaluate;
};

/// The plans of the epochs of a network in batches of `batch`, of an evaluation that isn't probed in those it
/// chooses, optimised as `options` say, as a Session makes them.
struct Planned {
  PlanOptions options;  // with the connections of the network's patterns
  EvaluationBatch evaluated;
  Plan train, evaluate;
  /// What the evaluation is planned for.
  PlanOptions evaluation() const;
  std::map<std::string, std::int64_t> train_iterations, evaluate_iterations;  // by the names of bindings
};
/// Draws the network's weights to count connections. Throws Error.
Planned plan_epochs(const Network& network, std::int64_t batch, const Target& target,
                    const PassOptions& options = {}, const ExplainedProbes& probes = {});

/// Explains both, as `compile` has them made and run: by its backend (kernels or jit), after its passes, on
/// its team (none: one thread); its target and batch don't count. Throws Error.
Explanation explain(const Network& network, std::int64_t batch, const Target& target,
                    const CompileOptions& compile = {}, const ExplainedProbes& probes = {});

/// What of a plan backend jit leaves to the kernels, and why.
void add_left_out(PlanExplanation& explanation, const Plan& plan, const CompileOptions& compile);

std::string to_text(const Explanation& explanation);

/// {"target":{..},"train":{"steps":[..],"not_done":[..]},"evaluate":{..}}. After a run steps have "runs",
/// "measured_us", "roofline" and "seen", plans have a list "seen", and "estimates" counts the good ones.
nlohmann::ordered_json to_json(const Explanation& explanation);

}  // namespace relaxon
