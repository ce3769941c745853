// Which steps of a plan a team of threads shares, and how.
#pragma once

#include "passes/plan/plan.hpp"

namespace relaxon {

/// Sets Step::threads. A loop over batches that does nothing but count is shared by samples: the counts are
/// added up. Elsewhere steps with enough work are shared by columns, each thread a panel of units; sums that
/// have an order are never divided, so any number of threads gives the same bits.
void share_work(Plan& plan);

}  // namespace relaxon
