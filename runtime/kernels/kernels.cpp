#include "runtime/kernels/kernels.hpp"

#include <algorithm>
#include <numeric>

#include "core/error.hpp"
#include "runtime/kernels/tables.hpp"

namespace relaxon {
namespace {

constexpr Isa all_isas[] = {Isa::x86_64, Isa::avx2, Isa::avx512};

// The lists are those of the compiler options in CMakeLists.txt.
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("avx512vnni") &&
         __builtin_cpu_supports("avx512vbmi");
}

}  // namespace

std::vector<std::int32_t> columns_by_length(std::span<const std::int32_t> offsets) {
  std::vector<std::int32_t> order(offsets.size() - 1);
  std::iota(order.begin(), order.end(), 0);
  const auto length = [&](std::int32_t k) {
    return offsets[static_cast<std::size_t>(k) + 1] - offsets[static_cast<std::size_t>(k)];
  };
  for (std::size_t block = 0; block < order.size(); block += unit_block) {
    const auto end = std::min<std::size_t>(block + unit_block, order.size());
    std::stable_sort(order.begin() + static_cast<std::ptrdiff_t>(block),
                     order.begin() + static_cast<std::ptrdiff_t>(end),
                     [&](std::int32_t a, std::int32_t b) { return length(a) < length(b); });
  }
  return order;
}

SenderSegments::SenderSegments(std::span<const std::int32_t> offsets, std::span<const std::int32_t> sender,
                               std::int64_t senders)
    : segments(segments_of(senders)) {
  // A register is read from any entry on.
  place.resize(sender.size() + 64);
  count.resize((offsets.size() - 1) * static_cast<std::size_t>(segments));
  for (std::size_t k = 0; k + 1 < offsets.size(); ++k) {
    for (auto e = static_cast<std::size_t>(offsets[k]); e < static_cast<std::size_t>(offsets[k + 1]); ++e) {
      place[e] = static_cast<std::uint8_t>(sender[e] % segment);
      ++count[k * static_cast<std::size_t>(segments) + static_cast<std::size_t>(sender[e] / segment)];
    }
  }
}

bool SenderSegments::pay(std::int64_t entries, std::int64_t senders, std::int64_t receivers) {
  // Measured: a segment of a sample takes 6 cycles, 16 entries one by one 34.
  return segments_of(senders) * receivers * lanes <= 2 * entries;
}

bool has_isa(Isa isa) {
  switch (isa) {
    case Isa::x86_64: return true;
    case Isa::avx2: return has_avx2();
    case Isa::avx512: return has_avx512();
  }
  internal_error("unknown instruction set {}", static_cast<int>(isa));
}

Isa best_isa() {
  Isa best = Isa::x86_64;
  for (const Isa isa : all_isas) {
    if (has_isa(isa)) best = isa;
  }
  return best;
}

const KernelTable& kernels(Isa isa) {
  switch (isa) {
    case Isa::x86_64: return x86_64_kernels;
    case Isa::avx2: return avx2_kernels;
    case Isa::avx512: return avx512_kernels;
  }
  internal_error("unknown instruction set {}", static_cast<int>(isa));
}

}  // namespace relaxon
