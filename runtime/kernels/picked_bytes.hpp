// Bytes of a column's senders, read a sample at a time: a register of bytes is looked up in two of a segment.
#pragma once

#include <memory>

#include "runtime/kernels/gather.hpp"

namespace relaxon {
namespace {

/// A panel's bytes by sample.
class PickedBytes {
 public:
#if defined(__AVX512VBMI__)
  static constexpr bool possible = true;
#else
  static constexpr bool possible = false;
#endif

  /// Lays the panel's bytes out in `scratch`.
  PickedBytes(const std::uint8_t* bytes, std::int64_t senders, const std::int32_t* offsets,
              const SenderSegments& segments, float* scratch)
      : segments_(segments.segments),
        place_(segments.place.data()),
        count_(segments.count.data()),
        offsets_(offsets),
        row_(segments.segments * SenderSegments::segment) {
    const auto address = reinterpret_cast<std::uintptr_t>(scratch);
    rows_ = reinterpret_cast<std::uint8_t*>((address + 63) / 64 * 64);
    std::int64_t k = 0;
    for (; k + 16 <= senders; k += 16) {
      __m128i x[16];
      for (int i = 0; i < 16; ++i)
        x[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + (k + i) * lanes));
      transpose_bytes(x);
      for (int lane = 0; lane < 16; ++lane)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(rows_ + lane * row_ + k), x[lane]);
    }
    for (; k < senders; ++k) {
      for (int lane = 0; lane < lanes; ++lane) rows_[lane * row_ + k] = bytes[k * lanes + lane];
    }
  }

  /// A sample's bytes of the panel's senders.
  const std::uint8_t* sample(int lane) const { return rows_ + lane * row_; }
  /// Where pick() leaves the bytes of the n-th of a column's samples.
  const std::uint8_t* picked(int n) const { return sample(lanes) + n * room(); }

  /// The bytes of the senders of column k in some samples, one sender after the other; more follow that mean
  /// nothing.
  template <int samples>
  [[gnu::always_inline]] void pick(std::int64_t k, const std::uint8_t* const (&from)[samples]) const {
#if defined(__AVX512VBMI__)
    const std::uint8_t* place = place_ + offsets_[k];
    const std::uint8_t* count = count_ + k * segments_;
    std::uint8_t* to = rows_ + lanes * row_;
    for (std::int64_t s = 0; s < segments_; ++s) {
      const auto look_up = [&](int i) __attribute__((always_inline)) {
        const __m512i places = _mm512_loadu_si512(place + i);
#pragma GCC unroll 4
        for (int n = 0; n < samples; ++n) {
          const std::uint8_t* bytes = from[n] + s * SenderSegments::segment;
          const __m512i low = _mm512_load_si512(bytes), high = _mm512_load_si512(bytes + 64);
          _mm512_storeu_si512(to + n * room() + i, _mm512_permutex2var_epi8(low, places, high));
        }
      };
      look_up(0);
      if (count[s] > 64) look_up(64);
      to += count[s];
      place += count[s];
    }
#else
    static_cast<void>(k), static_cast<void>(from);
#endif
  }

 private:
  std::int64_t room() const { return row_ + 64; }

  std::int64_t segments_;
  const std::uint8_t* place_;
  const std::uint8_t* count_;
  const std::int32_t* offsets_;
  std::int64_t row_;
  std::uint8_t* rows_;
};

}  // namespace
}  // namespace relaxon
