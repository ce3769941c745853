// The elementary functions every backend shares, and the mode they run in (semantics: section 10).
//
// Each function is one fixed sequence of float32 operations, rounded to nearest even, fused only where
// std::fma is written; a code generator that emits the same operations gets the same bits. exp, tanh and
// log1p are within 2 ulp of the exact value wherever that is normal. exp below 2^-126 is 0; tanh and log1p of
// a subnormal are what the mode makes of it. NaN gives NaN.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace relaxon {

/// Coefficients, highest power first.
namespace polynomial {

/// (e^r - 1 - r) / r^2 for |r| <= ln(2)/2.
inline constexpr std::array exp{0.000197903442f, 0.00139446568f, 0.00833349675f,
                                0.0416662954f,   0.166666657f,   0.5f};
/// (ln(1+f) - f + f^2/2) / f^3 for sqrt(1/2) <= 1+f < sqrt(2).
inline constexpr std::array log1p{0.0674773082f, -0.116775155f, 0.11888697f,   -0.124053404f, 0.142194524f,
                                  -0.166680053f, 0.200021237f,  -0.250000089f, 0.333333135f};
/// (tanh(x) - x) / x^3 in x^2 for |x| < tanh_split.
inline constexpr std::array tanh{-0.00570498686f, 0.0206390861f, -0.0537397154f, 0.133314416f, -0.333332807f};
inline constexpr float tanh_split = 0.625f;
/// erfinv(x) / x in w - 2.5 for w = -ln(1 - x^2) < 5, and in sqrt(w) - 3 beyond (semantics: section 8).
inline constexpr std::array erfinv_central{2.81022636e-08f,  3.43273939e-07f, -3.5233877e-06f,
                                           -4.39150654e-06f, 0.00021858087f,  -0.00125372503f,
                                           -0.00417768164f,  0.246640727f,    1.50140941f};
inline constexpr std::array erfinv_tail{-0.000200214257f, 0.000100950558f, 0.00134934322f,
                                        -0.00367342844f,  0.00573950773f,  -0.0076224613f,
                                        0.00943887047f,   1.00167406f,     2.83297682f};
/// ln 2 as a sum; the first part has 9 bits, so that its product with an exponent is exact.
inline constexpr float ln2_high = 0.693359375f;
inline constexpr float ln2_low = -2.12194440e-4f;
inline constexpr float log2_e = 1.44269504f;

}  // namespace polynomial

/// Horner's rule, one fma a coefficient.
template <std::size_t N>
inline float horner(const std::array<float, N>& coefficients, float x) {
  float sum = coefficients[0];
  for (std::size_t i = 1; i < N; ++i) sum = std::fma(sum, x, coefficients[i]);
  return sum;
}

/// 2^exponent for -126 <= exponent <= 127.
inline float power_of_two(std::int32_t exponent) { return std::bit_cast<float>((exponent + 127) << 23); }

/// e^x; infinite above 88.72284, 0 where e^x < 2^-126.
inline float exp_f32(float x) {
  constexpr float round_to_integer = 0x1.8p23f;  // adding it leaves the nearest integer in the low bits
  constexpr float smallest_normal = -87.3365402f;
  const float upper = x > 89.0f ? 89.0f : x;
  const float clamped = upper < -88.0f ? -88.0f : upper;
  const float shifted = std::fma(clamped, polynomial::log2_e, round_to_integer);
  const float k = shifted - round_to_integer;
  const std::int32_t exponent =
      std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(round_to_integer);
  const float r = std::fma(-k, polynomial::ln2_low, std::fma(-k, polynomial::ln2_high, clamped));
  const float significand = 1.0f + std::fma(r * r, horner(polynomial::exp, r), r);
  // Two factors, because 2^128 is not a float.
  const std::int32_t half = exponent >> 1;
  const float result = significand * power_of_two(half) * power_of_two(exponent - half);
  if (x != x) return x;
  return x < smallest_normal ? 0.0f : result;
}

/// tanh x.
inline float tanh_f32(float x) {
  const float square = x * x;
  const float inner = std::fma(x * square, horner(polynomial::tanh, square), x);
  const float magnitude = std::fabs(x);
  const float saturated = magnitude > 10.0f ? 10.0f : magnitude;
  const float outer = 1.0f - 2.0f / (exp_f32(2.0f * saturated) + 1.0f);
  return std::copysign(magnitude < polynomial::tanh_split ? inner : outer, x);
}

/// ln(1 + x); -infinity at -1, NaN below.
inline float log1p_f32(float x) {
  constexpr std::uint32_t sqrt_half = 0x3f3504f3;
  const float u = 1.0f + x;
  const float lost = std::fabs(x) < 1.0f ? x - (u - 1.0f) : 1.0f - (u - x);  // 1 + x = u + lost, exactly
  // u = 2^k m with sqrt(1/2) <= m < sqrt(2); beyond 2^100 `lost` has no weight left.
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(u);
  const std::int32_t k = static_cast<std::int32_t>(bits - sqrt_half) >> 23;
  const float m = std::bit_cast<float>(bits - (static_cast<std::uint32_t>(k) << 23));
  const float correction = lost * power_of_two(-(k > 100 ? 100 : k));
  const float f = (m - 1.0f) + correction;
  const float rest = ((m - 1.0f) - f) + correction;
  const float tail = (f * f) * std::fma(f, horner(polynomial::log1p, f), -0.5f);
  const float kf = static_cast<float>(k);
  const float high = kf * polynomial::ln2_high;
  const float sum = high + f;
  const float low = std::fma(kf, polynomial::ln2_low, ((high - sum) + f) + rest);
  const float result = sum + (tail + low);
  if (!(x < std::numeric_limits<float>::infinity())) return x;
  if (x > -1.0f) return result;
  return x == -1.0f ? -std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
}

/// The inverse error function for -1 < x < 1, as section 8 writes it.
inline float erfinv_f32(float x) {
  const float w = -log1p_f32(-(x * x));
  const float ratio = w < 5.0f ? horner(polynomial::erfinv_central, w - 2.5f)
                               : horner(polynomial::erfinv_tail, std::sqrt(w) - 3.0f);
  return ratio * x;
}

/// Neither infinite nor NaN; true for an empty span.
inline bool is_finite(float x) { return (std::bit_cast<std::uint32_t>(x) & 0x7f800000u) != 0x7f800000u; }
bool is_finite(std::span<const float> values);

/// While it lives, subnormal results and operands of this thread are 0 with their sign; then the caller's
/// mode is back. Every thread that computes holds one. x86-64 only: elsewhere the target's own mode stays.
class FlushToZero {
 public:
  FlushToZero();
  ~FlushToZero();
  FlushToZero(const FlushToZero&) = delete;
  FlushToZero& operator=(const FlushToZero&) = delete;

 private:
  unsigned caller_mode_;
};

}  // namespace relaxon
