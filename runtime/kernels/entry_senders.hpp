// What the senders of a register of entries are, put together from arrays by sender.
#pragma once

#include "runtime/kernels/correlation.hpp"
#include "runtime/kernels/sender_pair.hpp"

namespace relaxon {
namespace {

/// plane[senders[i]] in lane i.
[[gnu::always_inline]] inline Words masks_at(const Mask* plane, const std::int32_t* senders) {
  const auto eight = [&](int i) __attribute__((always_inline)) {
    const SenderPair a(senders + i), b(senders + i + 2);
    __m128i x = _mm_cvtsi32_si128(plane[a.first]);
    x = _mm_insert_epi16(x, plane[a.second], 1);
    x = _mm_insert_epi16(x, plane[b.first], 2);
    x = _mm_insert_epi16(x, plane[b.second], 3);
    if constexpr (words > 4) {
      const SenderPair c(senders + i + 4), d(senders + i + 6);
      x = _mm_insert_epi16(x, plane[c.first], 4);
      x = _mm_insert_epi16(x, plane[c.second], 5);
      x = _mm_insert_epi16(x, plane[d.first], 6);
      x = _mm_insert_epi16(x, plane[d.second], 7);
    }
    return x;
  };
#if defined(__AVX512F__)
  return (Words)_mm512_cvtepu16_epi32(_mm256_set_m128i(eight(8), eight(0)));
#else
  alignas(register_bytes) Mask masks[words];
  if constexpr (words == 8) {
    _mm_store_si128(reinterpret_cast<__m128i*>(masks), eight(0));
  } else {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(masks), eight(0));
  }
  return widen(masks);
#endif
}

/// The bytes of four samples of each sender, from a panel's bytes on that begin with these samples.
[[gnu::always_inline]] inline Words quads_at(const std::uint8_t* bytes, const std::int32_t* senders) {
  const auto word = [&](std::int64_t sender) __attribute__((always_inline)) {
    int x;
    __builtin_memcpy(&x, bytes + sender * lanes, sizeof x);
    return x;
  };
  const auto four = [&](int i) __attribute__((always_inline)) {
    const SenderPair a(senders + i), b(senders + i + 2);
#if defined(__SSE4_1__)
    const __m128i x = _mm_insert_epi32(_mm_cvtsi32_si128(word(a.first)), word(a.second), 1);
    return _mm_insert_epi32(_mm_insert_epi32(x, word(b.first), 2), word(b.second), 3);
#else
    return _mm_set_epi32(word(b.second), word(b.first), word(a.second), word(a.first));
#endif
  };
#if defined(__AVX512F__)
  const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(four(0)), four(4), 1);
  const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(four(8)), four(12), 1);
  return (Words)_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
#elif defined(__AVX2__)
  return (Words)_mm256_inserti128_si256(_mm256_castsi128_si256(four(0)), four(4), 1);
#else
  return (Words)four(0);
#endif
}

/// signed_bytes of all samples of a panel, in every group of four words.
[[gnu::always_inline]] inline Words signed_panel(unsigned plus, unsigned minus) {
  std::uint32_t quads[words];
  for (int i = 0; i < words; ++i)
    quads[i] = i < 4 ? signed_bytes(plus >> (4 * i), minus >> (4 * i)) : quads[i - 4];
  return load<std::uint32_t>(quads);
}

/// The sixteen bytes of a panel of the senders first, first + 4, .. of a register.
[[gnu::always_inline]] inline Words panels_at(const std::uint8_t* bytes, const std::int32_t* senders) {
  const auto one = [&](int i) __attribute__((always_inline)) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + std::int64_t{senders[i]} * lanes));
  };
#if defined(__AVX512F__)
  const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(one(0)), one(4), 1);
  const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(one(8)), one(12), 1);
  return (Words)_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
#elif defined(__AVX2__)
  return (Words)_mm256_inserti128_si256(_mm256_castsi128_si256(one(0)), one(4), 1);
#else
  return (Words)one(0);
#endif
}

[[gnu::always_inline]] inline Words unpack_low_words(Words a, Words b) {
#if defined(__AVX512F__)
  return (Words)_mm512_unpacklo_epi32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (Words)_mm256_unpacklo_epi32((__m256i)a, (__m256i)b);
#else
  return (Words)_mm_unpacklo_epi32((__m128i)a, (__m128i)b);
#endif
}
[[gnu::always_inline]] inline Words unpack_high_words(Words a, Words b) {
#if defined(__AVX512F__)
  return (Words)_mm512_unpackhi_epi32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (Words)_mm256_unpackhi_epi32((__m256i)a, (__m256i)b);
#else
  return (Words)_mm_unpackhi_epi32((__m128i)a, (__m128i)b);
#endif
}
[[gnu::always_inline]] inline Words unpack_low_pairs(Words a, Words b) {
#if defined(__AVX512F__)
  return (Words)_mm512_unpacklo_epi64((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (Words)_mm256_unpacklo_epi64((__m256i)a, (__m256i)b);
#else
  return (Words)_mm_unpacklo_epi64((__m128i)a, (__m128i)b);
#endif
}
[[gnu::always_inline]] inline Words unpack_high_pairs(Words a, Words b) {
#if defined(__AVX512F__)
  return (Words)_mm512_unpackhi_epi64((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (Words)_mm256_unpackhi_epi64((__m256i)a, (__m256i)b);
#else
  return (Words)_mm_unpackhi_epi64((__m128i)a, (__m128i)b);
#endif
}

/// The sums over a panel's samples of the senders' bytes times v, as signed_panel() has it.
[[gnu::always_inline]] inline Words panel_dots(const std::uint8_t* bytes, const std::int32_t* senders,
                                               Words v) {
  // Of the entries i, i + 4, .. those of four groups of four samples lie side by side.
  const auto part = [&](int i) __attribute__((always_inline)) {
    return dot4(Words{}, panels_at(bytes, senders + i), v);
  };
  const Words a = part(0), b = part(1), c = part(2), d = part(3);
  const Words first = unpack_low_words(a, b) + unpack_high_words(a, b);
  const Words second = unpack_low_words(c, d) + unpack_high_words(c, d);
  return unpack_low_pairs(first, second) + unpack_high_pairs(first, second);
}

}  // namespace
}  // namespace relaxon
