// An explanation with what was measured on the network's own data beside what was counted.
#pragma once

#include "core/data/dataset.hpp"
#include "frontends/explain.hpp"
#include "frontends/network_file.hpp"

namespace relaxon {

struct AnalyzeOptions {
  std::int64_t after_steps = 500;  // training steps before anything is measured
  std::int64_t steps = 300;        // measured
  std::int64_t looks = 20;         // batches of which flips and silent units are counted
};

/// Trains `after_steps` batches, times every step of the next ones and of as many evaluations, on one thread,
/// and measures what this machine reaches. Whole batches of the file's size. Throws Error.
Explanation analyze(const NetworkFile& file, const Dataset& data, const AnalyzeOptions& options = {},
                    const ExplainedProbes& probes = {});

/// Puts the times of `batches` batches beside the steps of a plan that `explain` has explained. InternalError
/// if the profile is of another plan.
void add_times(PlanExplanation& explanation, const std::vector<Profile::StepTime>& times,
               std::int64_t batches);

}  // namespace relaxon
