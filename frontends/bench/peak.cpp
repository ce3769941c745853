#include "frontends/bench/peak.hpp"

#include <chrono>

#include "frontends/bench/eigen_kernels.hpp"
#include "frontends/bench/naive.hpp"

namespace relaxon::bench {
namespace {

double edge_flops(const LayerMap& map, EdgeId id, std::int64_t batch) {
  return 2.0 * static_cast<double>(batch) * static_cast<double>(map.units(id.sender)) *
         static_cast<double>(map.units(id.receiver));
}

double flops(const LayerMap& map, const std::map<EdgeId, std::int64_t>& counts, std::int64_t batch) {
  double sum = 0;
  for (const auto& [id, count] : counts) sum += static_cast<double>(count) * edge_flops(map, id, batch);
  return sum;
}

}  // namespace

double train_flops(const Network& network, std::int64_t batch) {
  return flops(network.map, messages_per_batch(network), batch) +
         flops(network.map, correlations_per_batch(network), batch);
}

double evaluate_flops(const Network& network, std::int64_t batch) {
  return flops(network.map, messages_per_evaluation(network), batch);
}

double measured_flops_per_second(Isa isa) {
  using Clock = std::chrono::steady_clock;
  constexpr std::int64_t rounds = 1'000'000;
  const auto start = Clock::now();
  const double flops = eigen_kernels(isa).multiply_add(rounds);
  return flops / std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace relaxon::bench
