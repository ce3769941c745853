// Runs a plan with the kernels of one instruction set.
#pragma once

#include <memory>

#include "passes/plan/plan.hpp"
#include "runtime/jit/code.hpp"
#include "runtime/kernels/kernels.hpp"
#include "runtime/profile.hpp"
#include "runtime/program.hpp"
#include "runtime/thread_team.hpp"

namespace relaxon {

/// A program that runs `plan`, made from `lowered`, whose bindings and results it has, on the threads of a
/// team (none: the caller's): with the functions that were generated for it, if any, and with the kernels of
/// an instruction set; only the kernels where statistics are asked for, which they count on their way.
/// Without a team the times of its steps go to `profile`, if there is one.
std::unique_ptr<Program> make_executor(Graph lowered, Plan plan, Isa isa, std::shared_ptr<ThreadTeam> team,
                                       bool statistics = false, jit::Compiled generated = {},
                                       std::shared_ptr<Profile> profile = {});

}  // namespace relaxon
