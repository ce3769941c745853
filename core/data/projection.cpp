#include "core/data/projection.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "core/math.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace relaxon {
namespace {

constexpr std::int64_t panel_width = 16;
constexpr std::int64_t most_tile_rows = 8;

/// Adds one row x (in) times a panel (in, panel_width) to `sums`, which start at 0.
void row_times_panel(const float* x, std::int64_t in, const float* panel, float* sums) {
  for (std::int64_t j = 0; j < in; ++j, panel += panel_width) {
    for (std::int64_t k = 0; k < panel_width; ++k) sums[k] = std::fma(x[j], panel[k], sums[k]);
  }
}

/// The same for `rows` consecutive rows of x, into `sums` (rows, panel_width): enough of them for eight
/// independent chains, which hide the latency of the fused multiply-add.
struct TileKernel {
  std::int64_t rows;
  void (*run)(const float* x, std::int64_t in, const float* panel, float* sums);
};

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void tile_avx2(const float* x, std::int64_t in, const float* panel,
                                                   float* sums) {
  constexpr std::int64_t tile_rows = 4;
  __m256 low[tile_rows], high[tile_rows];
  for (std::int64_t r = 0; r < tile_rows; ++r) low[r] = high[r] = _mm256_setzero_ps();
  for (std::int64_t j = 0; j < in; ++j, panel += panel_width) {
    const __m256 left = _mm256_loadu_ps(panel);
    const __m256 right = _mm256_loadu_ps(panel + panel_width / 2);
    for (std::int64_t r = 0; r < tile_rows; ++r) {
      const __m256 value = _mm256_broadcast_ss(x + r * in + j);
      low[r] = _mm256_fmadd_ps(value, left, low[r]);
      high[r] = _mm256_fmadd_ps(value, right, high[r]);
    }
  }
  for (std::int64_t r = 0; r < tile_rows; ++r) {
    _mm256_storeu_ps(sums + r * panel_width, low[r]);
    _mm256_storeu_ps(sums + r * panel_width + panel_width / 2, high[r]);
  }
}

__attribute__((target("avx512f"))) void tile_avx512(const float* x, std::int64_t in, const float* panel,
                                                    float* sums) {
  constexpr std::int64_t tile_rows = 8;
  __m512 sum[tile_rows];
  for (std::int64_t r = 0; r < tile_rows; ++r) sum[r] = _mm512_setzero_ps();
  for (std::int64_t j = 0; j < in; ++j, panel += panel_width) {
    const __m512 weights = _mm512_loadu_ps(panel);
    for (std::int64_t r = 0; r < tile_rows; ++r) {
      sum[r] = _mm512_fmadd_ps(_mm512_set1_ps(x[r * in + j]), weights, sum[r]);
    }
  }
  for (std::int64_t r = 0; r < tile_rows; ++r) _mm512_storeu_ps(sums + r * panel_width, sum[r]);
}

TileKernel tile_kernel() {
  if (__builtin_cpu_supports("avx512f")) return {8, tile_avx512};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {4, tile_avx2};
  return {1, row_times_panel};
}
#else
TileKernel tile_kernel() { return {1, row_times_panel}; }
#endif

}  // namespace

Projection::Projection(Key key, std::int64_t out, std::int64_t in, RngLayout layout)
    : out_(out),
      in_(in),
      panels_(static_cast<std::size_t>((out + panel_width - 1) / panel_width * panel_width * in)) {
  const FlushToZero mode;
  const std::vector<float> normals = normal(key, out * in, layout);
  const float root = std::sqrt(static_cast<float>(in));
  for (std::int64_t o = 0; o < out; ++o) {
    float* column = panels_.data() + o / panel_width * panel_width * in + o % panel_width;
    for (std::int64_t j = 0; j < in; ++j) {
      column[j * panel_width] = normals[static_cast<std::size_t>(o * in + j)] / root;
    }
  }
}

void Projection::apply(std::span<const float> x, std::span<float> y) const {
  const TileKernel tile = tile_kernel();
  const auto rows = static_cast<std::int64_t>(x.size()) / in_;
  for (std::int64_t first = 0; first < out_; first += panel_width) {
    const float* panel = panels_.data() + first * in_;
    const std::int64_t width = std::min(panel_width, out_ - first);
    for (std::int64_t row = 0; row < rows;) {
      std::array<float, most_tile_rows * panel_width> sums{};
      const std::int64_t done = rows - row >= tile.rows ? tile.rows : 1;
      (done == 1 ? row_times_panel : tile.run)(x.data() + row * in_, in_, panel, sums.data());
      for (std::int64_t r = 0; r < done; ++r) {
        std::copy_n(sums.data() + r * panel_width, width, y.data() + (row + r) * out_ + first);
      }
      row += done;
    }
  }
}

}  // namespace relaxon
