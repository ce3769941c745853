// What becomes of a field once its messages are summed: states and errors.
#pragma once

#include "runtime/kernels/gather.hpp"

namespace relaxon {
namespace {

/// The sum of the messages' entries from `i` on.
template <class T>
[[gnu::always_inline]] inline Field<T> sum_at(const T* const* messages, std::int64_t count, std::int64_t i) {
  using U = std::make_unsigned_t<T>;
  Field<T> h{};
  if (count > 0) h = load<U>(messages[0] + i);
  for (std::int64_t m = 1; m < count; ++m) h = h + load<U>(messages[m] + i);
  return h;
}

template <class T>
void sum(const T* const* messages, std::int64_t count, std::int64_t n, T* h) {
  using U = std::make_unsigned_t<T>;
  std::int64_t i = 0;
  for (; i + width<U> <= n; i += width<U>) store(h + i, sum_at(messages, count, i));
  for (; i < n; ++i) {
    U one = 0;
    for (std::int64_t m = 0; m < count; ++m) one += static_cast<U>(messages[m][i]);
    h[i] = static_cast<T>(one);
  }
}

template <class T>
void sum_sign(const T* const* messages, std::int64_t count, std::int64_t units, std::int64_t batch,
              SignsOut out, bool* changed) {
  unsigned difference = 0;
  std::int64_t i = 0;
  for (std::int64_t p = 0; p < panels_of(batch); ++p) {
    const unsigned active = active_lanes(batch, p);
    for (std::int64_t k = 0; k < units; ++k, ++i) {
      unsigned negative = 0;
      for (int strip = 0; strip < strips<T>; ++strip) {
        negative |= sign_bits(sum_at(messages, count, i * lanes + strip * width<T>)) << (strip * width<T>);
      }
      const unsigned plus = active & ~negative, minus = active & negative;
      difference |= (plus ^ out.plus[i]) | (minus ^ out.minus[i]);
      out.plus[i] = static_cast<Mask>(plus);
      out.minus[i] = static_cast<Mask>(minus);
    }
  }
  if (changed) *changed = difference != 0;
}

/// A margin at the field's width. No field reaches the bound, and its negative fits.
template <class T>
[[gnu::always_inline]] inline T margin_of(std::int64_t margin) {
  if constexpr (sizeof(T) == 8) return margin;
  return static_cast<T>(margin < -INT32_MAX ? -INT32_MAX : margin > INT32_MAX ? INT32_MAX : margin);
}

template <class T>
void sum_error(const T* const* messages, std::int64_t count, SignsIn t, const std::int64_t* margin,
               std::int64_t units, std::int64_t panels, SignsOut v) {
  std::int64_t i = 0;
  for (std::int64_t p = 0; p < panels; ++p) {
    for (std::int64_t k = 0; k < units; ++k, ++i) {
      const T bound = margin_of<T>(margin[k]);
      const Vector<T> upper = broadcast<T>(bound), lower = broadcast<T>(static_cast<T>(-bound));
      unsigned low = 0, high = 0;
      for (int strip = 0; strip < strips<T>; ++strip) {
        const Vector<T> h = (Vector<T>)sum_at(messages, count, i * lanes + strip * width<T>);
        low |= at_most(h, upper) << (strip * width<T>);
        high |= at_most(lower, h) << (strip * width<T>);
      }
      v.plus[i] = static_cast<Mask>(t.plus[i] & low);
      v.minus[i] = static_cast<Mask>(t.minus[i] & high);
    }
  }
}

template <class T>
void sum_pair_error(const T* const* messages, std::int64_t count, SignsIn t, float a, float b,
                    const float* margin, int fixed_bits, std::int64_t units, std::int64_t panels,
                    SignsOut v) {
  const float unit = two_to(-fixed_bits);
  std::int64_t i = 0;
  for (std::int64_t p = 0; p < panels; ++p) {
    for (std::int64_t k = 0; k < units; ++k, ++i) {
      alignas(register_bytes) float f[lanes];
      for (std::int64_t lane = 0; lane < lanes; lane += width<T>) {
        const Vector<T> h = (Vector<T>)sum_at(messages, count, i * lanes + lane);
        for (int own = 0; own < width<T>; ++own) f[lane + own] = static_cast<float>(h[own]) * unit;
      }
      unsigned low_a = 0, low_b = 0;
      for (int lane = 0; lane < lanes; lane += words) {
        const Floats field = load<float>(f + lane), bound = broadcast<float>(margin[k]);
        low_a |= at_most(broadcast<float>(a) * field, bound) << lane;
        low_b |= at_most(broadcast<float>(b) * field, bound) << lane;
      }
      v.plus[i] = static_cast<Mask>(t.plus[i] & low_a);
      v.minus[i] = static_cast<Mask>(t.minus[i] & low_b);
    }
  }
}

}  // namespace
}  // namespace relaxon
