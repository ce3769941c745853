// A build without LLVM: everything runs, on the kernel tables.
#include "core/error.hpp"
#include "runtime/jit/code.hpp"

namespace relaxon::jit {
namespace {

[[noreturn]] void fail_unavailable() {
  fail("backend jit: this build has no JIT (it was made without LLVM); expected interpreter or kernels");
}

}  // namespace

bool available() { return false; }

Compiled compile(const std::vector<NamedOperation>&, Isa, const CodeCache&) { fail_unavailable(); }
std::string emit(const std::vector<NamedOperation>&, Isa, Emit) { fail_unavailable(); }

}  // namespace relaxon::jit
