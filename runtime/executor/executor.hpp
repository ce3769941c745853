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

struct ExecutorOptions {
  std::shared_ptr<ThreadTeam> team;  // none: the caller's thread alone
  bool statistics = false;           // count what happens
  std::shared_ptr<Profile> profile;  // where the times of steps on the first thread go
  jit::Compiled generated;           // functions made for the plan
};

/// A program that runs `plan`, made from `lowered`, whose bindings and results it has, on the threads of a
/// team (none: the caller's): with the functions that were generated for it, if any, and with the kernels of
/// an instruction set; with those kernels alone where statistics are asked for.
std::unique_ptr<Program> make_executor(Graph lowered, Plan plan, Isa isa, ExecutorOptions options = {});

}  // namespace relaxon
