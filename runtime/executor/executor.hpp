// Runs a plan with the kernels of one instruction set.
#pragma once

#include <memory>

#include "passes/plan/plan.hpp"
#include "runtime/kernels/kernels.hpp"
#include "runtime/program.hpp"

namespace relaxon {

/// A program that runs `plan`, made from `lowered`, whose bindings and results it has.
std::unique_ptr<Program> make_executor(Graph lowered, Plan plan, Isa isa);

}  // namespace relaxon
