// Dense messages that a team of threads shares by senders.
#pragma once

#include <vector>

#include "passes/plan/cost_model.hpp"
#include "passes/plan/plan.hpp"

namespace relaxon {

/// Shares exact messages of dense weights by senders where the model says that a team of Plan::threads is
/// faster: each thread adds the rows of its own senders to fields of its own, which then lie as partial_rows.
/// Integers may be summed in any order, so the bits are the same. Updates share a dense weight alike: a row
/// stays in the cache of one thread. All fields that share a slot through loops lie alike; where one of them
/// is made or read otherwise than as a sum of messages (turned, gathered, as numbers), or has fewer senders
/// than there are threads, they stay whole, and one thread makes them. Whole fields may be copied into
/// partial rows, as the first thread's. `rates` are those of the plan's steps in the order they are printed.
void share_by_senders(Plan& plan, const CostModel& model, const std::vector<StepRates>& rates);

/// Whether a step is an exact message, or a change of one, through a dense weight.
bool is_dense_message(const Plan& plan, const Step& step);

}  // namespace relaxon
