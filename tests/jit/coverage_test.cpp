// Every step of the scans of the default plans of any network of +-1 rows runs generated code.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "frontends/network_file.hpp"
#include "passes/lower.hpp"
#include "passes/pipeline.hpp"
#include "runtime/jit/code.hpp"
#include "tests/support/random_network.hpp"

namespace relaxon {
namespace {

/// Steps of scans for which nothing is generated though they compute something.
std::vector<std::string> left_out_of_scans(const Plan& plan, Isa isa) {
  std::vector<std::string> found;
  for_each_step(plan.steps, [&](const Step& scan, int) {
    if (scan.kernel != Kernel::scan) return;
    for_each_step(scan.body, [&](const Step& step, int) {
      // Without fused multiply-adds real-valued messages stay with the table.
      if (isa == Isa::x86_64 && step.kernel == Kernel::real) return;
      const std::string why_not = jit::operations_of(step, plan, isa).why_not;
      if (!why_not.empty()) found.push_back(fmt::format("{}: {}", step.covers, why_not));
    });
  });
  return found;
}

void check(const Network& network) {
  for (const auto& lower : {lower_train_epoch, lower_evaluate_epoch}) {
    const Plan plan = make_plan(optimise(lower(network), {}));
    for (const Isa isa : {Isa::x86_64, Isa::avx2, Isa::avx512})
      CHECK(left_out_of_scans(plan, isa) == std::vector<std::string>{});
  }
}

}  // namespace

TEST_CASE("no step of a scan of the published networks is left to the kernel table", "[jit]") {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(RELAXON_NETWORKS_DIR)) {
    INFO(entry.path());
    check(load_network_file(entry.path()).network);
    ++files;
  }
  CHECK(files >= 6);
}

TEST_CASE("no step of a scan of random networks is left to the kernel table", "[jit]") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Network network = testing::random_network(seed, 60);
    INFO("seed " << seed << ": " << testing::describe(network));
    check(network);
  }
}

}  // namespace relaxon
