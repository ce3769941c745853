// What kernels call the rules and storages of plans.
#pragma once

#include "ir/attributes.hpp"
#include "passes/plan/plan.hpp"
#include "runtime/kernels/kernels.hpp"

namespace relaxon {

StepRule rule_of(ApplyRule rule);
/// The sides of a correlation. Storages that none has are an internal error.
Sender::Kind sender_kind(Storage storage);
Errors::Kind error_kind(Storage storage);

}  // namespace relaxon
