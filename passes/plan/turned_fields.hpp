// Fields that are turned once instead of in each sum.
#pragma once

#include "passes/plan/cost.hpp"
#include "passes/plan/plan.hpp"

namespace relaxon {

/// A sum, sign or margin of fields that lie by sample turns those that lie by lane on the way, in each
/// iteration of a scan again. Fields that nothing changes once they are made are turned right there instead,
/// into a slot of their own that such sums read, where the cost model says that a batch takes less time then.
void turn_fields_once(Plan& plan, const PlanOptions& options);

}  // namespace relaxon
