// Plans are exact: on random networks every instruction set gives the interpreter's bits on the lowered
// graph, whatever passes have run.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/error.hpp"
#include "passes/lower.hpp"
#include "tests/support/random_network.hpp"

namespace relaxon {
namespace {

struct Choice {
  Isa isa;
  std::string passes;
};

/// The default passes on every instruction set of this machine; no passes, and each switched off, on one of
/// them.
std::vector<Choice> choices(std::uint64_t seed) {
  std::vector<Isa> present;
  for (const Isa isa : {Isa::x86_64, Isa::avx2, Isa::avx512}) {
    if (has_isa(isa)) present.push_back(isa);
  }
  std::vector<Choice> all;
  for (const Isa isa : present) all.push_back({isa, "default"});
  const Isa one = present[seed % present.size()];
  all.push_back({one, "none"});
  for (const Pass& pass : all_passes()) all.push_back({one, fmt::format("default,-{}", pass.name)});
  return all;
}

std::vector<TensorPtr> run(const Graph& lowered, const Choice& choice, const Arguments& arguments) {
  CompileOptions options;
  options.backend = Backend::kernels;
  options.passes = PassSelection::parse(choice.passes);
  options.isa = choice.isa;
  return compile(lowered, options)->run(arguments);
}

void check(const Graph& lowered, const Network& network, std::uint64_t seed) {
  const Arguments arguments = testing::random_arguments(lowered, network, seed);
  const std::vector<TensorPtr> expected = compile(lowered, Backend::interpreter)->run(arguments);
  for (const Choice& choice : choices(seed)) {
    INFO("seed " << seed << ", graph " << lowered.name() << ", " << name_of(choice.isa) << ", passes "
                 << choice.passes << "\n"
                 << testing::describe(network));
    const std::vector<TensorPtr> given = run(lowered, choice, arguments);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      INFO("result " << lowered.result_names()[i]);
      REQUIRE(*given[i] == *expected[i]);
    }
  }
}

bool long_run() { return std::getenv("RELAXON_LONG") != nullptr; }

TEST_CASE("kernels give the bits of the interpreter on every instruction set", "[differential]") {
  const std::uint64_t networks = long_run() ? 1000 : 60;
  for (std::uint64_t seed = 0; seed < networks; ++seed) {
    // Large networks are rare: the interpreter is slow.
    const Network network = testing::random_network(seed, long_run() && seed % 20 == 0 ? 300
                                                          : seed % 4 == 0              ? 40
                                                                                       : 11);
    check(lower_train_epoch(network), network, seed);
    check(lower_evaluate_epoch(network), network, seed);
  }
}

TEST_CASE("kernels give the bits of the interpreter on single steps with gates", "[differential]") {
  for (std::uint64_t seed = 0; seed < (long_run() ? 300u : 30u); ++seed) {
    const Network network = testing::random_network(seed, 11);
    LowerOptions options;
    options.gate = seed % 2 == 0 ? GateShape::samples : GateShape::sample_column;
    check(lower_train_step(network, options), network, seed);
    check(lower_evaluate_step(network), network, seed);
  }
}

}  // namespace
}  // namespace relaxon
