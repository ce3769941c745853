// Probes of optimised plans see what the interpreter sees on the lowered graph, and change no result.
#include <fmt/ranges.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <tuple>

#include "passes/lower.hpp"
#include "runtime/program.hpp"
#include "tests/support/random_network.hpp"

namespace relaxon {
namespace {

using Seen = std::vector<std::tuple<std::string, std::vector<std::int64_t>, Tensor>>;

struct Outcome {
  std::vector<TensorPtr> results;
  Seen seen;
};

Outcome run(const Graph& graph, const Arguments& arguments, Backend backend, int threads = 1) {
  Outcome outcome;
  CompileOptions options;
  options.backend = backend;
  if (threads > 1) options.team = std::make_shared<ThreadTeam>(threads);
  options.plan.target.barrier = 0;  // nothing is too small to share
  outcome.results =
      compile(graph, options)
          ->run(arguments, [&](std::string_view name, const std::vector<std::int64_t>& at,
                               const Tensor& value) { outcome.seen.emplace_back(name, at, value); });
  // Passes may move a probe past another one of the same batch.
  std::stable_sort(outcome.seen.begin(), outcome.seen.end(), [](const auto& a, const auto& b) {
    return std::tie(std::get<0>(a), std::get<1>(a)) < std::tie(std::get<0>(b), std::get<1>(b));
  });
  return outcome;
}

/// The same numbers; a float sum of nothing but zeros may have either sign.
bool same(const Tensor& a, const Tensor& b) {
  if (a.dtype() != DType::f32 || b.dtype() != DType::f32 || a.shape() != b.shape()) return a == b;
  return std::equal(a.data<float>().begin(), a.data<float>().end(), b.data<float>().begin());
}

void check(const Network& network, bool evaluation, const std::vector<Probe>& probes, std::uint64_t seed) {
  const auto lower = evaluation ? lower_evaluate_epoch_probed : lower_train_epoch_probed;
  const Arguments arguments = testing::random_arguments(lower(network, {}), network, seed);
  const Outcome plain = run(lower(network, {}), arguments, Backend::interpreter);
  const Graph lowered = lower(network, probes);
  const Outcome expected = run(lowered, arguments, Backend::interpreter);
  const Outcome given = run(lowered, arguments, Backend::kernels, 1 + static_cast<int>(seed % 3));
  REQUIRE(plain.results.size() == given.results.size());
  for (std::size_t i = 0; i < plain.results.size(); ++i) REQUIRE(*plain.results[i] == *given.results[i]);
  REQUIRE(plain.seen.empty());
  REQUIRE(expected.seen.size() == given.seen.size());
  for (std::size_t i = 0; i < expected.seen.size(); ++i) {
    const auto& [name, at, value] = expected.seen[i];
    INFO(name << " " << fmt::format("{}", fmt::join(at, " ")));
    REQUIRE(name == std::get<0>(given.seen[i]));
    REQUIRE(at == std::get<1>(given.seen[i]));
    REQUIRE(same(value, std::get<2>(given.seen[i])));
  }
}

TEST_CASE("probes of kernels see what the interpreter computes", "[differential][probe]") {
  const std::uint64_t networks = std::getenv("RELAXON_LONG") != nullptr ? 1000 : 60;
  std::size_t probed = 0;
  for (std::uint64_t seed = 0; seed < networks; ++seed) {
    INFO("seed " << seed);
    const Network network = testing::random_network(seed, 11);
    for (const bool evaluation : {false, true}) {
      const std::vector<Probe> probes = all_probes(network, evaluation);
      probed += probes.size();
      check(network, evaluation, probes, seed);
      // One at a time, everything else is optimised as ever.
      if (!probes.empty()) check(network, evaluation, {probes[seed % probes.size()]}, seed);
    }
  }
  CHECK(probed > networks);
}

}  // namespace
}  // namespace relaxon
