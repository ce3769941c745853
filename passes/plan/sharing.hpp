// Which steps of a plan a team of threads shares, and how.
#pragma once

#include "passes/plan/cost_model.hpp"
#include "passes/plan/plan.hpp"

namespace relaxon {

/// Sets Step::threads. A loop over batches that does nothing but count is shared by samples: the counts are
/// added up. Elsewhere steps are shared by columns, each thread a panel of units, where the model says that a
/// team of the target's cores is faster, its barrier included; sums that have an order are never divided, so
/// any number of threads gives the same bits.
void share_work(Plan& plan, const CostModel& model, int threads);

/// Whether kernels of this kind can be shared by columns at all.
bool can_share(const Plan& plan, const Step& step);

}  // namespace relaxon
