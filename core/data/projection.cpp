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
constexpr std::int64_t tile_rows = 4;

/// Adds one row x (in) times a panel (in, panel_width) to `sums`, which start at 0.
void row_times_panel(const float* x, std::int64_t in, const float* panel, float* sums) {
  for (std::int64_t j = 0; j < in; ++j, panel += panel_width) {
    for (std::int64_t k = 0; k < panel_width; ++k) sums[k] = std::fma(x[j], panel[k], sums[k]);
  }
}

/// The same for tile_rows consecutive rows of x, into `sums` (tile_rows, panel_width).
using TileKernel = void (*)(const float* x, std::int64_t in, const float* panel, float* sums);

void tile_portable(const float* x, std::int64_t in, const float* panel, float* sums) {
  for (std::int64_t r = 0; r < tile_rows; ++r) row_times_panel(x + r * in, in, panel, sums + r * panel_width);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void tile_avx2(const float* x, std::int64_t in, const float* panel,
                                                   float* sums) {
  // Eight independent chains hide the latency of the fused multiply-add.
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

TileKernel tile_kernel() {
  const bool fast = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return fast ? tile_avx2 : tile_portable;
}
#else
TileKernel tile_kernel() { return tile_portable; }
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
      std::array<float, tile_rows * panel_width> sums{};
      const std::int64_t done = rows - row >= tile_rows ? tile_rows : 1;
      (done == 1 ? row_times_panel : tile)(x.data() + row * in_, in_, panel, sums.data());
      for (std::int64_t r = 0; r < done; ++r) {
        std::copy_n(sums.data() + r * panel_width, width, y.data() + (row + r) * out_ + first);
      }
      row += done;
    }
  }
}

}  // namespace relaxon
