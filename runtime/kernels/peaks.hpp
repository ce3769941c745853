// What registers and caches can do, measured by what the kernels are made of.
#pragma once

#include <utility>

#include "runtime/kernels/vectors.hpp"

namespace relaxon {
namespace {

/// Sums that run side by side: enough to hide the latency of a multiply-add.
constexpr int peak_chains = 12;

/// Applies `one` to every chain in every round; the compiler neither merges rounds nor leaves any out.
template <class V, class One>
[[gnu::always_inline]] inline V run_chains(std::int64_t rounds, One one) {
  V sum[peak_chains] = {};
  for (std::int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (int c = 0; c < peak_chains; ++c) {
      sum[c] = one(sum[c]);
      asm("" : "+x"(sum[c]));
    }
  }
  V all{};
#pragma GCC unroll 16
  for (int c = 0; c < peak_chains; ++c) all = all + sum[c];
  return all;
}

inline std::uint32_t peak_adds(std::int64_t rounds) {
  Words one = broadcast<std::uint32_t>(1);
  asm("" : "+x"(one));
  return run_chains<Words>(rounds, [&](Words sum) { return sum + one; })[0];
}

inline float peak_fmas(std::int64_t rounds) {
  Floats half = broadcast<float>(0.5f);
  asm("" : "+x"(half));
  return run_chains<Floats>(rounds, [&](Floats sum) { return fma(sum, half, half); })[0];
}

inline std::uint32_t read_all(const std::byte* bytes, std::int64_t n) {
  constexpr int side_by_side = 4;
  Words sum[side_by_side] = {};
  for (std::int64_t i = 0; i < n; i += side_by_side * register_bytes) {
#pragma GCC unroll 4
    for (int c = 0; c < side_by_side; ++c)
      sum[c] = sum[c] + load<std::uint32_t>(bytes + i + c * register_bytes);
  }
  return ((sum[0] + sum[1]) + (sum[2] + sum[3]))[0];
}

}  // namespace
}  // namespace relaxon
