// Runs a plan with the kernels of one instruction set.
#pragma once

#include <memory>

#include "passes/plan/plan.hpp"
#include "runtime/kernels/kernels.hpp"
#include "runtime/program.hpp"
#include "runtime/thread_team.hpp"

namespace relaxon {

/// A program that runs `plan`, made from `lowered`, whose bindings and results it has, on the threads of a
/// team (none: the caller's).
std::unique_ptr<Program> make_executor(Graph lowered, Plan plan, Isa isa, std::shared_ptr<ThreadTeam> team);

}  // namespace relaxon
