// Real-valued messages that only samples pay for which have moved.
#pragma once

#include "passes/plan/cost_model.hpp"
#include "passes/plan/plan.hpp"

namespace relaxon {

/// A real-valued message has an order of its own and can't be advanced by what its senders changed, but a
/// sample whose senders are bit for bit those of the iteration before has the message of the iteration
/// before. In bodies of scans, `real` steps of numbers get a second output: the senders that their message is
/// of. Both outputs then last through all iterations and batches, and the step computes the samples that
/// differ: through a dense weight one by one, through a sparse one packed into as few panels as they fill.
/// Not where looking costs more than a quarter of the message, nor where another step writes the message's
/// slot.
void follow_samples(Plan& plan, const CostModel& model);

/// The slot in which a `real` step keeps the senders of its message, or an invalid one.
SlotId followed_senders(const Step& step);

}  // namespace relaxon
