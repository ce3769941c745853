#include "runtime/target.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "runtime/kernels/kernels.hpp"
#include "runtime/thread_team.hpp"

namespace relaxon {
namespace {

int usable_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

/// A size that the C library knows; 0 where it doesn't.
std::int64_t cache_bytes(int name) { return std::max<std::int64_t>(0, sysconf(name)); }

/// To three digits.
double rounded(double x) { return std::stod(fmt::format("{:.3g}", x)); }

/// Keeps a result from being left out.
template <class T>
void use(const T& value) {
  asm volatile("" : : "m"(value) : "memory");
}

/// Nanoseconds of each of some calls after a first one, ascending.
std::vector<double> sorted_ns(int rounds, const std::function<void()>& call) {
  using Clock = std::chrono::steady_clock;
  call();
  std::vector<double> ns;
  for (int i = 0; i < rounds; ++i) {
    const auto start = Clock::now();
    call();
    ns.push_back(std::chrono::duration<double, std::nano>(Clock::now() - start).count());
  }
  std::ranges::sort(ns);
  return ns;
}

double median_ns(int rounds, const std::function<void()>& call) {
  return std::max(sorted_ns(rounds, call)[static_cast<std::size_t>(rounds / 2)], 1.0);
}

constexpr int usual_rounds = 9;

double measured_clock() {
  constexpr std::int64_t n = 100'000, together = 16;
  const double ns = median_ns(usual_rounds, [] {
    std::uint64_t sum = 0;
    for (std::int64_t i = 0; i < n; ++i) {
#pragma GCC unroll 16
      for (std::int64_t k = 0; k < together; ++k) {
        sum += 3;
        asm volatile("" : "+r"(sum));
      }
    }
    use(sum);
  });
  return static_cast<double>(n * together) / ns;
}

/// Bytes per ns, reading `bytes` again and again, `passes` times a round.
double read_rate(const KernelTable& table, const std::byte* from, std::int64_t bytes, int passes,
                 int rounds) {
  bytes = std::max<std::int64_t>(bytes / 1024, 1) * 1024;
  const double ns = median_ns(rounds, [&] {
    for (int i = 0; i < passes; ++i) use(table.read_all(from, bytes));
  });
  return static_cast<double>(bytes) * passes / ns;
}

/// Nanoseconds from line to line, each named by the one before, in an order that nothing foresees.
double chase_latency(std::vector<std::uint64_t>& memory) {
  constexpr std::size_t line = 8;
  const std::size_t lines = memory.size() / line;
  constexpr std::uint64_t multiplier = 6364136223846793005u, increment = 1442695040888963407u;
  // A full period over a power of two.
  for (std::size_t i = 0; i < lines; ++i) memory[i * line] = (i * multiplier + increment) % lines;
  constexpr int hops = 20'000;
  std::uint64_t at = 0;
  const double ns = median_ns(3, [&] {
    for (int i = 0; i < hops; ++i) at = memory[at * line];
    use(at);
  });
  return ns / hops;
}

/// The fastest counts. Where another program keeps a core busy all the time, barriers wait for that and say
/// nothing about the machine: then it is `usual`.
double measured_barrier(int cores, double usual) {
  constexpr int barriers = 50, rounds = 40;
  constexpr double longest = 20'000;
  if (cores < 2) return usual;
  ThreadTeam team(cores);
  const std::vector<double> ns = sorted_ns(rounds, [&] {
    team.run([&](ThreadPart part) {
      for (int i = 0; i < barriers; ++i) team.barrier(part);
    });
  });
  return ns.front() / barriers < longest ? rounded(std::max(ns.front() / barriers, 1.0)) : usual;
}

/// Rates of the caches, of memory, and its latency.
void measure_memory(const KernelTable& table, Target& target) {
  constexpr std::size_t bytes = std::size_t{64} << 20;  // beyond a core's share of the last cache
  std::vector<std::uint64_t> memory(bytes / sizeof(std::uint64_t), 1);
  const auto* from = reinterpret_cast<const std::byte*>(memory.data());
  constexpr std::int64_t usual_l1 = 32768, usual_l2 = 1 << 20;
  const std::int64_t l1 = target.l1 > 0 ? target.l1 : usual_l1, l2 = target.l2 > 0 ? target.l2 : usual_l2;
  target.l1_rate = rounded(read_rate(table, from, l1 / 2, 2000, usual_rounds));
  target.l2_rate = rounded(read_rate(table, from, l2 / 2, 100, usual_rounds));
  target.l3_rate =
      rounded(read_rate(table, from, std::min<std::int64_t>(4 * l2, bytes / 4), 5, usual_rounds));
  target.memory_rate = rounded(read_rate(table, from, bytes, 1, 5));
  target.latency = rounded(chase_latency(memory));
  // A core may have but a share of what the system calls the last cache.
  for (std::int64_t size = 8 * l2; size <= static_cast<std::int64_t>(bytes); size *= 2) {
    const double rate = read_rate(table, from, size, 1, 5);
    if (rate * rate > target.l3_rate * target.memory_rate) continue;
    target.l3 = std::min(target.l3, size / 2);
    break;
  }
}

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

Target measured_target() {
  Target target = host_target();
  const KernelTable& table = kernels(target.isa);
  constexpr std::int64_t rounds = 20'000;
  const double operations = static_cast<double>(rounds * table.peak_operations);
  target.clock = rounded(measured_clock());
  target.adds = rounded(operations / median_ns(usual_rounds, [&] { use(table.peak_adds(rounds)); }));
  target.fmas = rounded(operations / median_ns(usual_rounds, [&] { use(table.peak_fmas(rounds)); }));
  measure_memory(table, target);
  target.barrier = measured_barrier(target.cores, target.barrier);
  return target;
}

}  // namespace relaxon
