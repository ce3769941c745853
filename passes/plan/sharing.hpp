// Which steps of a plan a team of threads shares, and how.
#pragma once

#include "passes/plan/cost_model.hpp"
#include "passes/plan/plan.hpp"

namespace relaxon {

/// Sets Step::threads. A loop over batches that does nothing but count is shared by samples: the counts are
/// added up. Elsewhere, where the model says that a team of Plan::threads is faster, its barrier included,
/// messages and updates of dense weights are shared by senders (passes/plan/partial_rows.hpp), other steps by
/// columns, each thread a panel of units. Sums that have an order are never divided, so any number of threads
/// gives the same bits.
void share_work(Plan& plan, const CostModel& model);

/// How threads can share a step; Threads::one: not at all.
Threads way_to_share(const Plan& plan, const Step& step);

}  // namespace relaxon
