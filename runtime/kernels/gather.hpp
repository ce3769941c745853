// Rows of tables as panels, numbers as other numbers, and sums over columns.
#pragma once

#include "runtime/kernels/transpose.hpp"

namespace relaxon {
namespace {

/// Lanes of a panel that hold samples.
inline int lanes_in_use(std::int64_t batch, std::int64_t panel) {
  const std::int64_t left = batch - panel * lanes;
  return static_cast<int>(left < lanes ? left : lanes);
}

void gather_signs(const std::int8_t* table, std::int64_t units, const std::int32_t* rows, std::int64_t batch,
                  SignsOut out) {
  for (std::int64_t p = 0; p < panels_of(batch); ++p) {
    Mask* __restrict plus = out.plus + p * units;
    Mask* __restrict minus = out.minus + p * units;
    for (std::int64_t k = 0; k < units; ++k) plus[k] = minus[k] = 0;
    for (int lane = 0; lane < lanes_in_use(batch, p); ++lane) {
      const std::int8_t* __restrict row = table + rows[p * lanes + lane] * units;
      for (std::int64_t k = 0; k < units; ++k) {
        plus[k] = static_cast<Mask>(plus[k] | (row[k] > 0) << lane);
        minus[k] = static_cast<Mask>(minus[k] | (row[k] < 0) << lane);
      }
    }
  }
}

/// Sixteen bytes of sixteen rows, transposed.
[[gnu::always_inline]] inline void transpose_bytes(__m128i (&x)[16]) {
  for (int stage = 0; stage < 4; ++stage) {
    __m128i y[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      y[2 * i] = _mm_unpacklo_epi8(x[i], x[i + 8]);
      y[2 * i + 1] = _mm_unpackhi_epi8(x[i], x[i + 8]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) x[i] = y[i];
  }
}

void gather_bytes(const std::uint8_t* table, std::int64_t units, const std::int32_t* rows, std::int64_t batch,
                  std::uint8_t* out) {
  for (std::int64_t p = 0; p < panels_of(batch); ++p) {
    const int used = lanes_in_use(batch, p);
    const std::uint8_t* row[lanes];
    for (int lane = 0; lane < used; ++lane) row[lane] = table + rows[p * lanes + lane] * units;
    std::int64_t k = 0;
    for (; k + 16 <= units; k += 16, out += 16 * lanes) {
      __m128i x[16];
      for (int lane = 0; lane < 16; ++lane) {
        x[lane] = lane < used ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(row[lane] + k))
                              : _mm_setzero_si128();
      }
      transpose_bytes(x);
      for (int i = 0; i < 16; ++i) _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i * lanes), x[i]);
    }
    for (; k < units; ++k, out += lanes) {
      for (int lane = 0; lane < lanes; ++lane) out[lane] = lane < used ? row[lane][k] : std::uint8_t{0};
    }
  }
}

void gather_reals(const float* table, std::int64_t units, const std::int32_t* rows, std::int64_t batch,
                  float* out) {
  for (std::int64_t p = 0; p < panels_of(batch); ++p) {
    const int used = lanes_in_use(batch, p);
    const float* row[lanes];
    for (int lane = 0; lane < used; ++lane) row[lane] = table + rows[p * lanes + lane] * units;
    std::int64_t k = 0;
    for (; k + lanes <= units; k += lanes, out += lanes * lanes) {
      alignas(register_bytes) std::int32_t block[lanes * lanes] = {};
      for (int lane = 0; lane < used; ++lane)
        __builtin_memcpy(block + lane * lanes, row[lane] + k, lanes * sizeof(float));
      transpose_block(block, lanes, reinterpret_cast<std::int32_t*>(out), lanes);
    }
    for (; k < units; ++k, out += lanes) {
      for (int lane = 0; lane < lanes; ++lane) out[lane] = lane < used ? row[lane][k] : 0.0f;
    }
  }
}

void bytes_to_reals(const std::uint8_t* __restrict bytes, std::int64_t n, float* __restrict out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(bytes[i]);
}

void scale(float* values, std::int64_t n, float factor) {
  for (std::int64_t i = 0; i < n; ++i) values[i] = values[i] * factor;
}

/// Whether a scaled number stays below `limit` in magnitude; false for NaN. The scaling is exact.
[[gnu::always_inline]] inline bool fits(float scaled, float limit) {
  return scaled > -limit && scaled < limit;
}

/// Numbers as integers in units of 2^-fixed_bits. Returns the first index whose number doesn't fit, or -1.
[[gnu::always_inline]] inline std::int64_t convert(const float* x, std::int64_t n, float factor, float limit,
                                                   std::int32_t* to) {
  const Floats factors = broadcast<float>(factor), limits = broadcast<float>(limit);
  std::int64_t i = 0;
  for (; i + words <= n; i += words) {
    const Floats scaled = load<float>(x + i) * factors;
    if (below(magnitude(scaled), limits) != (1u << words) - 1u) break;
    store(to + i, rounded(scaled));
  }
  for (; i < n; ++i) {
    const float scaled = x[i] * factor;
    if (!fits(scaled, limit)) return i;
    to[i] = _mm_cvtss_si32(_mm_set_ss(scaled));
  }
  return -1;
}

[[gnu::always_inline]] inline std::int64_t convert(const float* x, std::int64_t n, float factor, float limit,
                                                   std::int64_t* to) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float scaled = x[i] * factor;
    if (!fits(scaled, limit)) return i;
    to[i] = _mm_cvtss_si64(_mm_set_ss(scaled));
  }
  return -1;
}

std::int64_t quantise(const float* w, std::int64_t n, int fixed_bits, std::int32_t* q) {
  return convert(w, n, two_to(fixed_bits), 0x1p31f, q);
}

template <class T>
std::int64_t to_fields(const float* x, Units units, std::int64_t batch, int fixed_bits, T* h) {
  const float factor = two_to(fixed_bits), limit = sizeof(T) == 4 ? 0x1p30f : 0x1p63f;
  for (std::int64_t p = 0; p < panels_of(batch); ++p) {
    const int used = lanes_in_use(batch, p);
    const std::int64_t begin = (p * units.count + units.begin) * lanes;
    const std::int64_t end = (p * units.count + units.end) * lanes;
    const std::int64_t length = used == lanes ? end - begin : used,
                       step = used == lanes ? end - begin : lanes;
    for (std::int64_t i = begin; i < end; i += step) {
      const std::int64_t bad = convert(x + i, length, factor, limit, h + i);
      if (bad >= 0) return i + bad;
    }
  }
  return -1;
}

std::int64_t absolute(std::int64_t q) { return q < 0 ? -q : q; }

void column_sums_dense(DenseWeight<const std::int32_t> q, std::int64_t* __restrict out) {
  for (std::int64_t j = 0; j < q.senders; ++j) {
    const std::int32_t* __restrict row = q.entries + j * q.stride;
    for (std::int64_t k = q.begin; k < q.end; ++k) out[k] += absolute(row[k]);
  }
}

void column_sums_sparse(SparseWeight<const std::int32_t> q, std::int64_t* out) {
  for (std::int64_t k = q.begin; k < q.end; ++k) {
    for (std::int32_t e = q.offsets[k]; e < q.offsets[k + 1]; ++e) out[k] += absolute(q.entries[e]);
  }
}

}  // namespace
}  // namespace relaxon
