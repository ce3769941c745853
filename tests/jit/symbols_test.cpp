// Profilers and debuggers are told names when they ask for them.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "core/file.hpp"
#include "runtime/jit/code.hpp"
#include "tests/support/files.hpp"

namespace relaxon::jit {
namespace {

/// RELAXON_SYMBOLS for as long as this lives.
struct Listeners {
  explicit Listeners(const char* list) { ::setenv("RELAXON_SYMBOLS", list, 1); }
  ~Listeners() { ::unsetenv("RELAXON_SYMBOLS"); }
};

const std::vector<NamedOperation> operations{{"relaxon_test_sign", Sign{20, {2, 0}}},
                                             {"relaxon_test_turn", Turn{20, true}}};

Compiled made(const char* listeners) {
  const Listeners set(listeners);
  return compile(operations, Isa::x86_64, CodeCache(std::nullopt));
}

}  // namespace

TEST_CASE("perf is given a map of generated functions if it is asked for", "[jit]") {
  const std::filesystem::path map = fmt::format("/tmp/perf-{}.map", getpid());
  std::filesystem::remove(map);
  made("gdb");
  CHECK_FALSE(std::filesystem::exists(map));
  const Compiled compiled = made("perf,gdb");
  const std::string lines = read_file(map);
  std::filesystem::remove(map);
  for (const NamedOperation& one : operations) {
    const auto address = reinterpret_cast<std::uintptr_t>(compiled.code->find(one.operation));
    const std::size_t line = lines.find(fmt::format("{:x} ", address));
    REQUIRE(line != std::string::npos);
    const std::string rest = lines.substr(line, lines.find('\n', line) - line);
    CHECK(rest.ends_with(" " + one.name));
    // Between them: how long it is.
    CHECK(std::stoul(rest.substr(rest.find(' ')), nullptr, 16) > 16);
  }
}

TEST_CASE("a listener of symbols that nobody knows is an error", "[jit]") {
  CHECK(testing::error_of([] { made("vtune"); }) ==
        "RELAXON_SYMBOLS: expected perf, gdb or both with a comma between, got vtune");
}

}  // namespace relaxon::jit
