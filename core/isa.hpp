// Instruction sets.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace relaxon {

/// Instruction sets with kernels of their own, slowest first. avx2: AVX2, FMA, BMI1, BMI2, POPCNT; avx512:
/// those and AVX-512 F, BW, DQ, VL, VPOPCNTDQ, VNNI and VBMI (Ice Lake, Zen 4 and later).
enum class Isa : std::uint8_t { x86_64, avx2, avx512 };

std::string_view name_of(Isa isa);
std::optional<Isa> isa_named(std::string_view name);

}  // namespace relaxon
