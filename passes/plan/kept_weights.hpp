// q of weights, kept by their updates.
#pragma once

#include "passes/plan/plan.hpp"

namespace relaxon {

/// Where the body of a loop makes q of a dense weight and updates the weight, the updates write q, too: a
/// register of new weights is at hand there, and the next iteration need not read them all again. (Of sparse
/// weights most columns have no error and only decay; writing q there takes longer than making it.) What
/// makes q stays in the plan, marked as Step::kept: it runs where q is not yet, or no longer, that of the
/// weight (the first iteration; a weight that q can't hold, which is an error when messages need it, not
/// before).
void keep_fixed_weights(Plan& plan);

/// The slot in which an update or apply step leaves q, or an invalid one.
SlotId kept_by(const Step& step);

}  // namespace relaxon
