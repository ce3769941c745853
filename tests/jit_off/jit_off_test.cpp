// A build without LLVM says so.
#include <catch2/catch.hpp>

#include "runtime/jit/library.hpp"
#include "runtime/program.hpp"
#include "tests/support/files.hpp"

namespace relaxon {

TEST_CASE("a build without LLVM has no backend jit and says so", "[jit]") {
  CHECK_FALSE(has_backend(Backend::jit));
  CHECK(backend_named("jit") == Backend::jit);
  CHECK(
      testing::error_of([] { jit::Library().compile(Plan{}, Isa::x86_64, jit::CodeCache(std::nullopt)); }) ==
      "backend jit: this build has no JIT (it was made without LLVM); expected interpreter or kernels");
}

}  // namespace relaxon
