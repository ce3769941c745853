#include "runtime/target.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

namespace relaxon {
namespace {

int usable_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

/// A size that the C library knows; 0 where it doesn't.
std::int64_t cache_bytes(int name) { return std::max<std::int64_t>(0, sysconf(name)); }

}  // namespace

Target host_target() {
  Target target;
  target.cores = usable_cores();
  target.isa = best_isa();
  target.l1 = cache_bytes(_SC_LEVEL1_DCACHE_SIZE);
  target.l2 = cache_bytes(_SC_LEVEL2_CACHE_SIZE);
  target.l3 = cache_bytes(_SC_LEVEL3_CACHE_SIZE);
  return target;
}

std::optional<double> estimated_us(const Target& target, double flops, double bytes) {
  if (!target.flops_per_second || !target.bytes_per_second) return std::nullopt;
  return 1e6 * std::max(flops / *target.flops_per_second, bytes / *target.bytes_per_second);
}

}  // namespace relaxon
