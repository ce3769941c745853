// The reference interpreter: one obvious loop per op, in the order ir/SEMANTICS.md gives. Never optimised; run
// on a lowered graph it is what every plan and backend is compared with.
#pragma once

#include <memory>

#include "runtime/program.hpp"

namespace relaxon {

std::unique_ptr<Program> make_interpreter(Graph graph);

}  // namespace relaxon
