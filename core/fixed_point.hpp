// Exact fields: integers in units of 2^-F (semantics: section 10).
#pragma once

#include <cmath>
#include <cstdint>

namespace relaxon {

/// Weights of magnitude 2^(31-F) and more have no exact fields.
inline float weight_limit(int fixed_bits) { return std::ldexp(1.0f, 31 - fixed_bits); }

/// q(v): v * 2^F rounded to the nearest even integer. |v| must be below 2^(63-F); see fits_int64.
inline std::int64_t to_fixed(float value, int fixed_bits) {
  // The product is exact in double: a float32 has 24 bits, and a power of two changes the exponent only.
  return static_cast<std::int64_t>(std::nearbyint(std::ldexp(static_cast<double>(value), fixed_bits)));
}

/// Whether a real-valued message has a fixed value at all (false for NaN and infinities).
inline bool fits_int64(float value, int fixed_bits) {
  return std::abs(std::ldexp(static_cast<double>(value), fixed_bits)) < 0x1p63;
}

/// q of a threshold: saturates at +-2^62 instead of overflowing.
inline std::int64_t threshold_to_fixed(float value, int fixed_bits) {
  const double scaled = std::nearbyint(std::ldexp(static_cast<double>(value), fixed_bits));
  constexpr double bound = 0x1p62;
  return static_cast<std::int64_t>(std::fmin(std::fmax(scaled, -bound), bound));
}

/// h * 2^-F rounded once to float32.
inline float from_fixed(std::int64_t h, int fixed_bits) { return std::ldexp(static_cast<float>(h), -fixed_bits); }

}  // namespace relaxon
