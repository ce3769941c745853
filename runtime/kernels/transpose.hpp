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

/// The fields of 16 samples' rows of a table, by lane.
template <class T>
void gather_fields(const std::int64_t* table, Units units, const std::int32_t* rows, std::int64_t batch,
                   T* out) {
  for (std::int64_t p = 0; p < panels_of(batch); ++p, out += units.count * lanes) {
    const std::int64_t left = batch - p * lanes;
    const int used = static_cast<int>(left < lanes ? left : lanes);
    for (std::int64_t k = units.begin; k < units.end; k += lanes) {
      const std::int64_t n = units.end - k < lanes ? units.end - k : lanes;
      T block[lanes][lanes] = {};
      for (int lane = 0; lane < used; ++lane) {
        const std::int64_t* row = table + rows[p * lanes + lane] * units.count + k;
        if (n == lanes) {
          for (int i = 0; i < lanes; ++i) block[lane][i] = static_cast<T>(row[i]);
        } else {
          for (std::int64_t i = 0; i < n; ++i) block[lane][i] = static_cast<T>(row[i]);
        }
      }
      if (n == lanes) {
        transpose_block(&block[0][0], lanes, out + k * lanes, lanes);
        continue;
      }
      for (std::int64_t i = 0; i < n; ++i) {
        for (int lane = 0; lane < lanes; ++lane) out[(k + i) * lanes + lane] = block[lane][i];
      }
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
