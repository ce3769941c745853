#include "core/rng.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.hpp"

// One body for each vector width of x86-64, chosen when the program is loaded: four times as fast, the same
// bits. The loader's choice runs before ThreadSanitizer is up, and crashes there.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define RELAXON_VECTOR_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define RELAXON_VECTOR_CLONES
#endif

namespace relaxon {
namespace {

constexpr std::int64_t original_counters = 0xffffffff;

/// Elements are drawn in blocks of this many words, which stay in the first-level cache.
constexpr std::size_t block_words = 2048;

/// Two words on their way through the cipher.
struct Words {
  std::uint32_t a, b;
};

inline Words mix(Words w, int rotation) {
  w.a += w.b;
  w.b = std::rotl(w.b, rotation) ^ w.a;
  return w;
}

template <int R0, int R1, int R2, int R3>
inline Words four_rounds(Words w, std::uint32_t key_a, std::uint32_t key_b) {
  w = mix(mix(mix(mix(w, R0), R1), R2), R3);
  return {w.a + key_a, w.b + key_b};
}

inline Words hash(Key key, Words w) {
  const std::uint32_t k0 = key.hi, k1 = key.lo, k2 = k0 ^ k1 ^ 0x1bd11bdau;
  w = {w.a + k0, w.b + k1};
  w = four_rounds<13, 15, 26, 6>(w, k1, k2 + 1);
  w = four_rounds<17, 29, 16, 24>(w, k2, k0 + 2);
  w = four_rounds<13, 15, 26, 6>(w, k0, k1 + 3);
  w = four_rounds<17, 29, 16, 24>(w, k1, k2 + 4);
  return four_rounds<13, 15, 26, 6>(w, k2, k0 + 5);
}

/// The three runs that draws are made of. Each is a loop over independent 32-bit lanes, for the vectoriser.

/// xor of both words of (hi, lo), (hi, lo + 1), ...
RELAXON_VECTOR_CLONES void hash_run_xor(Key key, std::uint32_t hi, std::uint32_t lo,
                                        std::span<std::uint32_t> out) {
  std::uint32_t* const words = out.data();
  const auto n = static_cast<std::uint32_t>(out.size());
  for (std::uint32_t i = 0; i < n; ++i) {
    const Words w = hash(key, {hi, lo + i});
    words[i] = w.a ^ w.b;
  }
}

/// The first words of (a, b), (a + 1, b + 1), ...
RELAXON_VECTOR_CLONES void hash_run_first(Key key, std::uint32_t a, std::uint32_t b,
                                          std::span<std::uint32_t> out) {
  std::uint32_t* const words = out.data();
  const auto n = static_cast<std::uint32_t>(out.size());
  for (std::uint32_t i = 0; i < n; ++i) words[i] = hash(key, {a + i, b + i}).a;
}

/// The second words of (a, b), (a + 1, b + 1), ...
RELAXON_VECTOR_CLONES void hash_run_second(Key key, std::uint32_t a, std::uint32_t b,
                                           std::span<std::uint32_t> out) {
  std::uint32_t* const words = out.data();
  const auto n = static_cast<std::uint32_t>(out.size());
  for (std::uint32_t i = 0; i < n; ++i) words[i] = hash(key, {a + i, b + i}).b;
}

RELAXON_VECTOR_CLONES void normals_from_bits(std::span<const std::uint32_t> words, std::span<float> out) {
  for (std::size_t i = 0; i < words.size(); ++i) out[i] = normal_from_bits(words[i]);
}

/// A run shorter than 2^32 elements: the low counter wraps at most once.
void fill_partitionable(Key key, std::uint64_t begin, std::span<std::uint32_t> out) {
  const auto hi = static_cast<std::uint32_t>(begin >> 32);
  const auto lo = static_cast<std::uint32_t>(begin);
  const std::uint64_t before_carry = (std::uint64_t{1} << 32) - lo;
  const std::size_t head = std::min<std::uint64_t>(out.size(), before_carry);
  hash_run_xor(key, hi, lo, out.first(head));
  hash_run_xor(key, hi + 1, 0, out.subspan(head));
}

void fill_original(Key key, std::int64_t total, std::int64_t begin, std::span<std::uint32_t> out) {
  const std::int64_t half = (total + 1) / 2;
  const auto end = begin + static_cast<std::int64_t>(out.size());
  const std::int64_t boundary = std::clamp(half, begin, end);
  const auto lower = out.first(static_cast<std::size_t>(boundary - begin));
  const auto upper = out.subspan(lower.size());
  hash_run_first(key, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(begin + half), lower);
  hash_run_second(key, static_cast<std::uint32_t>(boundary - half), static_cast<std::uint32_t>(boundary),
                  upper);
  // With an odd total the last counter of the first half is paired with the padding, which is 0.
  const bool has_padded = total % 2 == 1 && begin < half && half <= end;
  if (has_padded) lower.back() = hash(key, {static_cast<std::uint32_t>(half - 1), 0}).a;
}

std::uint32_t bits_at(Key key, std::int64_t total, std::int64_t element, RngLayout layout) {
  if (layout == RngLayout::partitionable) {
    const Words w =
        hash(key, {static_cast<std::uint32_t>(element >> 32), static_cast<std::uint32_t>(element)});
    return w.a ^ w.b;
  }
  const std::int64_t half = (total + 1) / 2;
  const std::int64_t first = element < half ? element : element - half;
  const std::int64_t second = first + half < total ? first + half : 0;
  const Words w = hash(key, {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(second)});
  return element < half ? w.a : w.b;
}

void check_range(std::int64_t total, std::int64_t begin, std::size_t n) {
  if (begin < 0 || begin > total || static_cast<std::int64_t>(n) > total - begin) {
    internal_error("elements {} .. {} of a draw of {}", begin, begin + static_cast<std::int64_t>(n), total);
  }
}

/// Draws the words of a run block by block and hands each block on: (words, offset of the block in the run).
template <class Consume>
void for_each_block(Key key, std::int64_t total, std::int64_t begin, std::size_t n, RngLayout layout,
                    Consume consume) {
  std::array<std::uint32_t, block_words> words;
  for (std::size_t done = 0; done < n; done += block_words) {
    const auto block = std::span(words).first(std::min(block_words, n - done));
    fill_bits(key, total, begin + static_cast<std::int64_t>(done), block, layout);
    consume(std::span<const std::uint32_t>(block), done);
  }
}

template <class T>
std::vector<T> vector_of(std::int64_t n) {
  if (n < 0) internal_error("a draw of {} elements", n);
  return std::vector<T>(static_cast<std::size_t>(n));
}

}  // namespace

std::array<std::uint32_t, 2> threefry(Key key, std::array<std::uint32_t, 2> counter) {
  const Words w = hash(key, {counter[0], counter[1]});
  return {w.a, w.b};
}

std::string_view name_of(RngLayout layout) {
  return layout == RngLayout::partitionable ? "partitionable" : "original";
}

Key key_of(std::uint64_t seed) {
  return {static_cast<std::uint32_t>(seed >> 32), static_cast<std::uint32_t>(seed)};
}

std::vector<Key> split(Key key, std::int64_t n, RngLayout layout) {
  std::vector<Key> children = vector_of<Key>(n);
  for (std::int64_t i = 0; i < n; ++i) children[static_cast<std::size_t>(i)] = child(key, n, i, layout);
  return children;
}

Key child(Key key, std::int64_t n, std::int64_t i, RngLayout layout) {
  check_range(n, i, 1);
  if (layout == RngLayout::partitionable) {
    const Words w = hash(key, {static_cast<std::uint32_t>(i >> 32), static_cast<std::uint32_t>(i)});
    return {w.a, w.b};
  }
  check_draw(2 * std::min(n, original_counters), layout, "splitting a key");
  return {bits_at(key, 2 * n, 2 * i, layout), bits_at(key, 2 * n, 2 * i + 1, layout)};
}

Key fold_in(Key key, std::uint32_t data) {
  const Words w = hash(key, {0, data});
  return {w.a, w.b};
}

void check_draw(std::int64_t total, RngLayout layout, std::string_view where) {
  if (layout == RngLayout::original && total > original_counters) {
    fail("{}: {} random words; the original layout has 2^32 - 1, the partitionable layout more", where,
         total);
  }
}

std::uint32_t bernoulli_bound(double p) {
  const double scaled = std::ceil(static_cast<double>(static_cast<float>(p)) * 0x1p23);
  return static_cast<std::uint32_t>(std::clamp(scaled, 0.0, 0x1p23));
}

void fill_bits(Key key, std::int64_t total, std::int64_t begin, std::span<std::uint32_t> out,
               RngLayout layout) {
  check_range(total, begin, out.size());
  check_draw(total, layout, "random bits");
  constexpr std::size_t run = std::size_t{1} << 20;
  for (std::size_t done = 0; done < out.size(); done += run) {
    const auto piece = out.subspan(done, std::min(run, out.size() - done));
    const std::int64_t first = begin + static_cast<std::int64_t>(done);
    if (layout == RngLayout::partitionable) {
      fill_partitionable(key, static_cast<std::uint64_t>(first), piece);
    } else {
      fill_original(key, total, first, piece);
    }
  }
}

void fill_uniform(Key key, std::int64_t total, std::int64_t begin, float lo, float hi, std::span<float> out,
                  RngLayout layout) {
  const float width = hi - lo;
  for_each_block(key, total, begin, out.size(), layout,
                 [&](std::span<const std::uint32_t> words, std::size_t at) {
                   for (std::size_t i = 0; i < words.size(); ++i)
                     out[at + i] = uniform_from_bits(words[i], lo, width);
                 });
}

void fill_normal(Key key, std::int64_t total, std::int64_t begin, std::span<float> out, RngLayout layout) {
  for_each_block(key, total, begin, out.size(), layout,
                 [&](std::span<const std::uint32_t> words, std::size_t at) {
                   normals_from_bits(words, out.subspan(at, words.size()));
                 });
}

void fill_bernoulli(Key key, std::int64_t total, std::int64_t begin, double p, std::span<std::uint8_t> out,
                    RngLayout layout) {
  const std::uint32_t bound = bernoulli_bound(p);
  for_each_block(key, total, begin, out.size(), layout,
                 [&](std::span<const std::uint32_t> words, std::size_t at) {
                   for (std::size_t i = 0; i < words.size(); ++i) out[at + i] = (words[i] >> 9) < bound;
                 });
}

void gather_bits(Key key, std::int64_t total, std::span<const std::int64_t> elements,
                 std::span<std::uint32_t> out, RngLayout layout) {
  if (elements.size() != out.size()) internal_error("{} elements into {}", elements.size(), out.size());
  check_draw(total, layout, "random bits");
  for (std::size_t i = 0; i < out.size(); ++i) {
    check_range(total, elements[i], 1);
    out[i] = bits_at(key, total, elements[i], layout);
  }
}

void gather_normal(Key key, std::int64_t total, std::span<const std::int64_t> elements, std::span<float> out,
                   RngLayout layout) {
  if (elements.size() != out.size()) internal_error("{} elements into {}", elements.size(), out.size());
  std::array<std::uint32_t, block_words> words;
  for (std::size_t done = 0; done < out.size(); done += block_words) {
    const std::size_t n = std::min(block_words, out.size() - done);
    gather_bits(key, total, elements.subspan(done, n), std::span(words).first(n), layout);
    normals_from_bits(std::span(words).first(n), out.subspan(done, n));
  }
}

std::vector<std::uint32_t> bits(Key key, std::int64_t n, RngLayout layout) {
  check_draw(n, layout, "random bits");
  auto out = vector_of<std::uint32_t>(n);
  fill_bits(key, n, 0, out, layout);
  return out;
}

std::vector<float> uniform(Key key, std::int64_t n, float lo, float hi, RngLayout layout) {
  check_draw(n, layout, "random bits");
  auto out = vector_of<float>(n);
  fill_uniform(key, n, 0, lo, hi, out, layout);
  return out;
}

std::vector<float> normal(Key key, std::int64_t n, RngLayout layout) {
  check_draw(n, layout, "random bits");
  auto out = vector_of<float>(n);
  fill_normal(key, n, 0, out, layout);
  return out;
}

std::vector<std::uint8_t> bernoulli(Key key, std::int64_t n, double p, RngLayout layout) {
  check_draw(n, layout, "random bits");
  auto out = vector_of<std::uint8_t>(n);
  fill_bernoulli(key, n, 0, p, out, layout);
  return out;
}

std::vector<std::int32_t> permutation(Key key, std::int64_t n, RngLayout layout) {
  if (n > std::numeric_limits<std::int32_t>::max()) fail("a permutation of {} elements; at most 2^31 - 1", n);
  auto order = vector_of<std::int32_t>(n);
  for (std::int64_t i = 0; i < n; ++i) order[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i);
  const double length = static_cast<double>(std::max<std::int64_t>(1, n));
  const int rounds = static_cast<int>(std::ceil(3 * std::log(length) / std::log(4294967295.0)));
  // Sorting (random word, position) pairs is the stable sort by the word.
  std::vector<std::uint64_t> sorted(order.size());
  for (int round = 0; round < rounds; ++round) {
    const Key sub = child(key, 2, 1, layout);
    key = child(key, 2, 0, layout);
    const std::vector<std::uint32_t> words = bits(sub, n, layout);
    for (std::size_t i = 0; i < sorted.size(); ++i) sorted[i] = std::uint64_t{words[i]} << 32 | i;
    std::sort(sorted.begin(), sorted.end());
    std::vector<std::int32_t> next(order.size());
    for (std::size_t i = 0; i < next.size(); ++i) next[i] = order[sorted[i] & 0xffffffff];
    order = std::move(next);
  }
  return order;
}

}  // namespace relaxon
