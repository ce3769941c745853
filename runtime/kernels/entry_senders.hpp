// What the senders of a register of entries are, put together from arrays by sender.
#pragma once

#include "runtime/kernels/vectors.hpp"

namespace relaxon {
namespace {

/// plane[senders[i]] in lane i.
[[gnu::always_inline]] inline Words masks_at(const Mask* plane, const std::int32_t* senders) {
  const auto eight = [&](int i) {
    __m128i x = _mm_cvtsi32_si128(plane[senders[i]]);
    x = _mm_insert_epi16(x, plane[senders[i + 1]], 1);
    x = _mm_insert_epi16(x, plane[senders[i + 2]], 2);
    x = _mm_insert_epi16(x, plane[senders[i + 3]], 3);
    if constexpr (words > 4) {
      x = _mm_insert_epi16(x, plane[senders[i + 4]], 4);
      x = _mm_insert_epi16(x, plane[senders[i + 5]], 5);
      x = _mm_insert_epi16(x, plane[senders[i + 6]], 6);
      x = _mm_insert_epi16(x, plane[senders[i + 7]], 7);
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

/// Sums over four groups of four samples, of the entries of a register: part[i] holds those of the entries
/// i, i + 4, .. side by side.
struct Quarters {
  Words part[4];
};

/// The sixteen bytes of a panel of the senders first, first + 4, .. of a register.
[[gnu::always_inline]] inline Words panels_at(const std::uint8_t* bytes, const std::int32_t* senders) {
  const auto one = [&](int i) {
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

/// For each group of 128 bits, 1 in the bytes of the lanes of `plus`, -1 in those of `minus`.
[[gnu::always_inline]] inline Words signed_bytes(unsigned plus, unsigned minus) {
  const auto spread_bits = [](unsigned mask) {
#if defined(__AVX512F__)
    return _mm_movm_epi8(static_cast<__mmask16>(mask));
#else
    const __m128i both = _mm_cvtsi32_si128(static_cast<int>(mask));
    const __m128i pairs = _mm_unpacklo_epi8(both, both);  // low low high high
    const __m128i halves = _mm_shufflelo_epi16(pairs, _MM_SHUFFLE(1, 1, 0, 0));
    const __m128i bytes = _mm_shuffle_epi32(halves, _MM_SHUFFLE(1, 1, 0, 0));
    const __m128i bits = _mm_set1_epi64x(static_cast<long long>(0x8040201008040201ull));
    return _mm_cmpeq_epi8(_mm_and_si128(bytes, bits), bits);
#endif
  };
  const __m128i v = _mm_sub_epi8(spread_bits(minus), spread_bits(plus));
#if defined(__AVX512F__)
  return (Words)_mm512_broadcast_i32x4(v);
#elif defined(__AVX2__)
  return (Words)_mm256_broadcastsi128_si256(v);
#else
  return (Words)v;
#endif
}

/// sum += the products of the senders' bytes with v, four samples each.
[[gnu::always_inline]] inline void add_dots(Quarters& sum, const std::uint8_t* bytes,
                                            const std::int32_t* senders, Words v) {
  for (int i = 0; i < 4; ++i) sum.part[i] = dot4(sum.part[i], panels_at(bytes, senders + i), v);
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

/// The sums over all samples, entry i in lane i.
[[gnu::always_inline]] inline Words joined(const Quarters& q) {
  const Words first = unpack_low_words(q.part[0], q.part[1]) + unpack_high_words(q.part[0], q.part[1]);
  const Words second = unpack_low_words(q.part[2], q.part[3]) + unpack_high_words(q.part[2], q.part[3]);
  return unpack_low_pairs(first, second) + unpack_high_pairs(first, second);
}

}  // namespace
}  // namespace relaxon
