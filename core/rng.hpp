// Counter-based random numbers: Threefry-2x32 with 20 rounds (semantics: section 8).
//
// There is no generator state. A draw of `total` elements under a key is a function of the element's index,
// so any piece of it can be had alone, in any order, on any thread: fill_* gives a run of elements, gather_*
// chosen ones. Seeds, keys and draws agree with JAX in both of its layouts (normal draws within 3 ulp).
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/math.hpp"

namespace relaxon {

/// How the elements of a draw are numbered: each by its own 64-bit counter, or in two halves hashed pairwise.
enum class RngLayout : std::uint8_t { partitionable, original };

/// "partitionable" or "original".
std::string_view name_of(RngLayout layout);

struct Key {
  std::uint32_t hi = 0, lo = 0;
  bool operator==(const Key&) const = default;
};

/// The 20-round Threefry-2x32 block cipher.
std::array<std::uint32_t, 2> threefry(Key key, std::array<std::uint32_t, 2> counter);

Key key_of(std::uint64_t seed);
/// n independent keys.
std::vector<Key> split(Key key, std::int64_t n, RngLayout layout);
/// split(key, n, layout)[i], alone.
Key child(Key key, std::int64_t n, std::int64_t i, RngLayout layout);
Key fold_in(Key key, std::uint32_t data);

/// Throws Error, starting with `where`, if a draw of `total` elements is too long for the layout: the
/// original one has 2^32 - 1 counters.
void check_draw(std::int64_t total, RngLayout layout, std::string_view where);

/// A multiple of 2^-23 in [0, 1).
inline float uniform01_from_bits(std::uint32_t bits) {
  return std::bit_cast<float>((bits >> 9) | 0x3f800000u) - 1.0f;
}
/// Uniform in [lo, hi), given `width` = f32(hi - lo).
inline float uniform_from_bits(std::uint32_t bits, float lo, float width) {
  const float value = std::fma(uniform01_from_bits(bits), width, lo);
  return value > lo ? value : lo;
}
/// Standard normal.
inline float normal_from_bits(std::uint32_t bits) {
  constexpr float sqrt_2 = 1.41421356f;
  constexpr float above_minus_one = -0x1.fffffep-1f;  // its distance to 1 rounds to 2
  return sqrt_2 * erfinv_f32(uniform_from_bits(bits, above_minus_one, 2.0f));
}
/// The number of 23-bit values below p: a Bernoulli draw is (bits >> 9) < bernoulli_bound(p).
std::uint32_t bernoulli_bound(double p);

/// Elements begin .. begin + out.size() of a draw of `total`.
void fill_bits(Key key, std::int64_t total, std::int64_t begin, std::span<std::uint32_t> out,
               RngLayout layout);
void fill_uniform(Key key, std::int64_t total, std::int64_t begin, float lo, float hi, std::span<float> out,
                  RngLayout layout);
void fill_normal(Key key, std::int64_t total, std::int64_t begin, std::span<float> out, RngLayout layout);
/// 1 with probability p, else 0.
void fill_bernoulli(Key key, std::int64_t total, std::int64_t begin, double p, std::span<std::uint8_t> out,
                    RngLayout layout);

/// The named elements of a draw of `total`; as many as `out` has.
void gather_bits(Key key, std::int64_t total, std::span<const std::int64_t> elements,
                 std::span<std::uint32_t> out, RngLayout layout);
void gather_normal(Key key, std::int64_t total, std::span<const std::int64_t> elements, std::span<float> out,
                   RngLayout layout);

/// Whole draws of n elements.
std::vector<std::uint32_t> bits(Key key, std::int64_t n, RngLayout layout);
std::vector<float> uniform(Key key, std::int64_t n, float lo, float hi, RngLayout layout);
std::vector<float> normal(Key key, std::int64_t n, RngLayout layout);
std::vector<std::uint8_t> bernoulli(Key key, std::int64_t n, double p, RngLayout layout);

/// 0 .. n-1 in random order; n < 2^31.
std::vector<std::int32_t> permutation(Key key, std::int64_t n, RngLayout layout);

}  // namespace relaxon
