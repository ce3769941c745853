// Blocks of 16 units by 16 samples, turned.
#pragma once

#include "runtime/kernels/vectors.hpp"

namespace relaxon {
namespace {

/// Bit k of word l becomes bit l of word k.
[[gnu::always_inline]] inline void transpose_bits(const Mask (&from)[16], Mask (&to)[16]) {
  const auto* words_of_block = reinterpret_cast<const __m128i*>(from);
  const __m128i first = _mm_loadu_si128(words_of_block), second = _mm_loadu_si128(words_of_block + 1);
  const __m128i byte = _mm_set1_epi16(0xff);
  __m128i low = _mm_packus_epi16(_mm_and_si128(first, byte), _mm_and_si128(second, byte));
  __m128i high = _mm_packus_epi16(_mm_srli_epi16(first, 8), _mm_srli_epi16(second, 8));
#pragma GCC unroll 8
  for (int bit = 7; bit >= 0; --bit) {
    to[bit] = static_cast<Mask>(_mm_movemask_epi8(low));
    to[bit + 8] = static_cast<Mask>(_mm_movemask_epi8(high));
    low = _mm_add_epi8(low, low);
    high = _mm_add_epi8(high, high);
  }
}

#if defined(__AVX512F__)

/// Element [i][l] becomes [l][i]: neighbours are interleaved by words, then by pairs, then by quarters.
[[gnu::always_inline]] inline void transpose(__m512i (&x)[16]) {
  __m512i y[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
    x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
    x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
    x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
  }
  constexpr int even = 0x88, odd = 0xdd;
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    const int at = i / 4 * 8 + i % 4;
    y[at] = _mm512_shuffle_i32x4(x[at], x[at + 4], even);
    y[at + 4] = _mm512_shuffle_i32x4(x[at], x[at + 4], odd);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    x[i] = _mm512_shuffle_i32x4(y[i], y[i + 8], even);
    x[i + 8] = _mm512_shuffle_i32x4(y[i], y[i + 8], odd);
  }
}

/// Element [i][l] at from + i * from_stride + l becomes [l][i].
[[gnu::always_inline]] inline void transpose_block(const std::int32_t* from, std::int64_t from_stride,
                                                   std::int32_t* to, std::int64_t to_stride) {
  __m512i x[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) x[i] = _mm512_loadu_si512(from + i * from_stride);
  transpose(x);
#pragma GCC unroll 16
  for (int l = 0; l < 16; ++l) _mm512_storeu_si512(to + l * to_stride, x[l]);
}

/// The numbers of 16 units in 16 rows, by lane; they are known to fit.
[[gnu::always_inline]] inline void transpose_rows(const std::int64_t* const (&rows)[16], std::int64_t first,
                                                  std::int32_t* to) {
  const __m512i low_words = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  __m512i x[16];
#pragma GCC unroll 16
  for (int lane = 0; lane < 16; ++lane) {
    const std::int64_t* row = rows[lane] + first;
    x[lane] = _mm512_permutex2var_epi32(_mm512_loadu_si512(row), low_words, _mm512_loadu_si512(row + 8));
  }
  transpose(x);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) _mm512_storeu_si512(to + i * lanes, x[i]);
}

#else

/// Element [i][l] at from + i * from_stride + l becomes [l][i].
[[gnu::always_inline]] inline void transpose_block(const std::int32_t* from, std::int64_t from_stride,
                                                   std::int32_t* to, std::int64_t to_stride) {
  for (int i = 0; i < 16; i += 4) {
    for (int l = 0; l < 16; l += 4) {
      const auto row = [&](int r) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + (i + r) * from_stride + l));
      };
      const __m128i a = _mm_unpacklo_epi32(row(0), row(1)), b = _mm_unpacklo_epi32(row(2), row(3));
      const __m128i c = _mm_unpackhi_epi32(row(0), row(1)), d = _mm_unpackhi_epi32(row(2), row(3));
      const auto write = [&](int r, __m128i x) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + (l + r) * to_stride + i), x);
      };
      write(0, _mm_unpacklo_epi64(a, b));
      write(1, _mm_unpackhi_epi64(a, b));
      write(2, _mm_unpacklo_epi64(c, d));
      write(3, _mm_unpackhi_epi64(c, d));
    }
  }
}

#endif

[[gnu::always_inline]] inline void transpose_block(const std::int64_t* from, std::int64_t from_stride,
                                                   std::int64_t* to, std::int64_t to_stride) {
  for (int i = 0; i < 16; ++i) {
    for (int l = 0; l < 16; ++l) to[l * to_stride + i] = from[i * from_stride + l];
  }
}

/// Fields by lane as fields by sample; `to` has rows of row_stride(units) numbers.
template <class T>
void turn_fields(const T* from, Units units, std::int64_t panels, T* to) {
  const std::int64_t stride = row_stride(units.count);
  for (std::int64_t p = 0; p < panels; ++p, from += units.count * lanes, to += lanes * stride) {
    for (std::int64_t k = units.begin; k < units.end; k += lanes) {
      if (k + lanes <= units.count) {
        transpose_block(from + k * lanes, lanes, to + k, stride);
        continue;
      }
      for (std::int64_t unit = k; unit < units.end; ++unit) {
        for (std::int64_t lane = 0; lane < lanes; ++lane)
          to[lane * stride + unit] = from[unit * lanes + lane];
      }
    }
  }
}

/// The numbers of 16 units in 16 rows, by lane; they are known to fit.
template <class T>
[[gnu::always_inline]] inline void transpose_rows(const std::int64_t* const (&rows)[16], std::int64_t first,
                                                  T* to) {
  T block[16][16];
  for (int lane = 0; lane < 16; ++lane) {
    for (int i = 0; i < 16; ++i) block[lane][i] = static_cast<T>(rows[lane][first + i]);
  }
  transpose_block(&block[0][0], 16, to, lanes);
}

/// The fields of the samples' rows of a table, by lane.
template <class T>
void gather_fields(const std::int64_t* table, Units units, const std::int32_t* rows, std::int64_t batch,
                   T* out) {
  for (std::int64_t first = 0; first < batch; first += lanes, out += units.count * lanes) {
    // Inactive lanes hold what the last sample's does.
    const std::int64_t* row[lanes];
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      const std::int64_t sample = first + lane < batch ? first + lane : batch - 1;
      row[lane] = table + rows[sample] * units.count;
    }
    std::int64_t k = units.begin;
    for (; k + lanes <= units.end; k += lanes) transpose_rows(row, k, out + k * lanes);
    for (; k < units.end; ++k) {
      for (std::int64_t lane = 0; lane < lanes; ++lane) out[k * lanes + lane] = static_cast<T>(row[lane][k]);
    }
  }
}

/// The same by sample.
template <class T>
void gather_field_rows(const std::int64_t* table, Units units, const std::int32_t* rows, std::int64_t batch,
                       T* __restrict out) {
  const std::int64_t stride = row_stride(units.count);
  for (std::int64_t b = 0; b < batch; ++b) {
    const std::int64_t* __restrict row = table + rows[b] * units.count;
    for (std::int64_t k = units.begin; k < units.end; ++k) out[b * stride + k] = static_cast<T>(row[k]);
  }
}

}  // namespace
}  // namespace relaxon
