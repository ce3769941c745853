// The legality of the planned stage: what executors rely on and don't look at again.
#pragma once

#include "passes/plan/plan.hpp"

namespace relaxon {

/// Throws Error that names the plan, the step and the slot unless
///
///   - every slot's storage can hold its type, bindings and results are tensors;
///   - every kernel gets and leaves as many slots as it takes, in storages and shapes that it is made for,
///     with the attributes of its op; only those that work in place write what they read;
///   - slots are written before they are read: in a body, what it reads from outside or carries;
///   - carries, what they start from and what is yielded for them lie alike, and no carry is overwritten
///     before another one is read;
///   - a slot is live wherever it is used, and from before a body to its end where one reads it from outside:
///     slots whose live ranges don't meet may share memory;
///   - only a follow has a `whole_from`, at most its senders; only kernels that can be shared are.
void verify(const Plan& plan);

}  // namespace relaxon
