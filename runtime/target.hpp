// The machine that a plan runs on, as far as speed depends on it.
#pragma once

#include <cstdint>
#include <optional>

#include "runtime/kernels/kernels.hpp"

namespace relaxon {

struct Target {
  int cores = 1;  // that this process may use
  Isa isa = Isa::x86_64;
  // Data caches, in bytes; 0: unknown. L1 and L2 are a core's own.
  std::int64_t l1 = 0, l2 = 0, l3 = 0;
  // What one core was measured to reach; nothing is assumed about a machine that nobody measured.
  std::optional<double> flops_per_second, bytes_per_second;

  /// Floats in a vector register.
  int vector_floats() const { return isa == Isa::avx512 ? 16 : isa == Isa::avx2 ? 8 : 4; }
  bool operator==(const Target&) const = default;
};

/// This machine, unmeasured.
Target host_target();

/// The least time that so much work takes on one core, in microseconds: the longer of computing and moving
/// (roofline). nullopt if the target wasn't measured.
std::optional<double> estimated_us(const Target& target, double flops, double bytes);

}  // namespace relaxon
