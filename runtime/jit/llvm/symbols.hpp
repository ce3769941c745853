// Names of generated functions for profilers and debuggers.
#pragma once

#include <llvm/ExecutionEngine/Orc/LLJIT.h>

#include <string>

namespace relaxon::jit {

/// Appends the functions of a linked object to the map of this process that `perf report` reads. Throws Error
/// if it can't be written.
void append_perf_map(llvm::orc::LLJIT& jit, const std::string& object);

}  // namespace relaxon::jit
