// An explanation with what was measured on the network's own data beside what was counted.
#pragma once

#include "core/data/dataset.hpp"
#include "frontends/explain.hpp"
#include "frontends/network_file.hpp"

namespace relaxon {

struct AnalyzeOptions {
  CompileOptions compile = {};  // kernels or jit, passes, a team of threads; its target and batch don't count
  std::optional<Target> target = {};  // that is planned for; default: this machine, measured
  std::int64_t after_steps = 500;     // training steps before anything is measured
  std::int64_t steps = 300;           // measured
  std::int64_t looks = 100;           // batches of which flips and silent units are counted
};

/// Trains `after_steps` batches, then times every step of the next ones and of as many evaluations, and
/// counts what happens in `looks` more. Estimates have the rates that were counted. Without a team it
/// plans for one thread and runs on it. Whole batches of the file's size. Times are medians over chunks
/// of batches. Throws Error.
Explanation analyze(const NetworkFile& file, const Dataset& data, const AnalyzeOptions& options = {},
                    const ExplainedProbes& probes = {});

/// Puts the times of `batches` batches beside the steps of a plan that `explain` has explained; each of them
/// is `clock_seconds` too long. The roofline: all that a step could have to do at the target's fmas, or its
/// bytes from the second cache. InternalError if the profile is of another plan.
void add_times(PlanExplanation& explanation, const std::vector<Profile::StepTime>& times,
               std::int64_t batches, const Target& target, double clock_seconds = 0);

}  // namespace relaxon
