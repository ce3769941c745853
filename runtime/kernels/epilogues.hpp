// What becomes of a field once its messages are summed: states and errors.
#pragma once

#include "runtime/kernels/gather.hpp"
#include "runtime/kernels/transpose.hpp"

namespace relaxon {
namespace {

/// The sum of the entries from `i` on of `known` arrays, or of `count` if that is 0.
template <int known, class T>
[[gnu::always_inline]] inline Field<T> sum_at(const T* const* messages, std::int64_t count, std::int64_t i) {
  using U = std::make_unsigned_t<T>;
  Field<T> h{};
  const std::int64_t n = known > 0 ? known : count;
  if (n > 0) h = load<U>(messages[0] + i);
#pragma GCC unroll 4
  for (std::int64_t m = 1; m < n; ++m) h = h + load<U>(messages[m] + i);
  return h;
}

/// Calls run.operator()<known>() for sum_at.
template <class Run>
[[gnu::always_inline]] inline void with_count(std::int64_t count, Run run) {
  switch (count) {
    case 1: return run.template operator()<1>();
    case 2: return run.template operator()<2>();
    case 3: return run.template operator()<3>();
    default: return run.template operator()<0>();
  }
}

/// Sums of 16 units by 16 samples, a sample's units side by side.
template <class T>
class RowSums {
 public:
  RowSums(const Messages<T>& messages, Units units)
      : m_(messages), units_(units.count), stride_(row_stride(units.count)) {}

  /// Moves to the block of unit k of a panel.
  [[gnu::always_inline]] void start(std::int64_t panel, std::int64_t k) {
    first_ = panel * lanes * stride_ + k;
    if (m_.by_lane_count == 0) return;
    alignas(register_bytes) T block[lanes * lanes] = {};
    const std::int64_t n = units_ - k < lanes ? units_ - k : lanes;
    for (std::int64_t i = 0; i < n * lanes; i += width<T>)
      store(block + i, sum_at<0>(m_.by_lane, m_.by_lane_count, (panel * units_ + k) * lanes + i));
    transpose_block(block, lanes, turned_, lanes);
  }
  template <int known = 0>
  [[gnu::always_inline]] Field<T> at(int lane, int strip) const {
    const Field<T> h =
        sum_at<known>(m_.by_sample, m_.by_sample_count, first_ + lane * stride_ + strip * width<T>);
    if (m_.by_lane_count == 0) return h;
    return h + load<std::make_unsigned_t<T>>(turned_ + lane * lanes + strip * width<T>);
  }

 private:
  const Messages<T>& m_;
  std::int64_t units_, stride_, first_ = 0;
  alignas(register_bytes) T turned_[lanes * lanes];
};

/// Calls visit(panel, k, n) for the blocks of n <= 16 units.
template <class Visit>
[[gnu::always_inline]] inline void for_each_block(Units units, std::int64_t panels, Visit visit) {
  for (std::int64_t p = 0; p < panels; ++p) {
    for (std::int64_t k = units.begin; k < units.end; k += lanes) {
      visit(p, k, units.end - k < lanes ? units.end - k : lanes);
    }
  }
}

template <class T>
void sum(const Messages<T>& messages, Units units, std::int64_t panels, T* h) {
  if (messages.by_sample_count > 0) {
    RowSums<T> rows(messages, units);
    const std::int64_t stride = row_stride(units.count);
    for_each_block(units, panels, [&](std::int64_t p, std::int64_t k, std::int64_t) {
      rows.start(p, k);
      for (int lane = 0; lane < lanes; ++lane) {
        for (int strip = 0; strip < strips<T>; ++strip)
          store(h + (p * lanes + lane) * stride + k + strip * width<T>, rows.at(lane, strip));
      }
    });
    return;
  }
  with_count(messages.by_lane_count, [&]<int known>() {
    for (std::int64_t p = 0; p < panels; ++p) {
      const std::int64_t end = (p * units.count + units.end) * lanes;
      for (std::int64_t i = (p * units.count + units.begin) * lanes; i < end; i += width<T>)
        store(h + i, sum_at<known>(messages.by_lane, messages.by_lane_count, i));
    }
  });
}

template <class T>
void sum_sign_rows(const Messages<T>& messages, Units units, std::int64_t batch, SignsOut out) {
  RowSums<T> rows(messages, units);
  with_count(messages.by_sample_count, [&]<int known>() {
    for_each_block(units, panels_of(batch), [&](std::int64_t p, std::int64_t k, std::int64_t n) {
      rows.start(p, k);
      Mask of_sample[lanes], negative[lanes];
      for (int lane = 0; lane < lanes; ++lane) {
        unsigned bits = 0;
        for (int strip = 0; strip < strips<T>; ++strip)
          bits |= sign_bits(rows.template at<known>(lane, strip)) << (strip * width<T>);
        of_sample[lane] = static_cast<Mask>(bits);
      }
      transpose_bits(of_sample, negative);
      const unsigned active = active_lanes(batch, p);
      for (std::int64_t i = 0; i < n; ++i) {
        out.plus[p * units.count + k + i] = static_cast<Mask>(active & ~unsigned{negative[i]});
        out.minus[p * units.count + k + i] = static_cast<Mask>(active & negative[i]);
      }
    });
  });
}

/// A margin at the field's width. No field reaches the bound, and sums of both fit.
template <class T>
[[gnu::always_inline]] inline T margin_of(std::int64_t margin) {
  if constexpr (sizeof(T) == 8) return margin;
  constexpr std::int64_t bound = 1 << 30;
  return static_cast<T>(margin < -bound ? -bound : margin > bound ? bound : margin);
}

#if defined(__AVX512F__)

/// Masks of four units.
[[gnu::always_inline]] inline std::uint64_t load_masks(const Mask* masks) {
  std::uint64_t all;
  __builtin_memcpy(&all, masks, sizeof all);
  return all;
}
[[gnu::always_inline]] inline void store_masks(Mask* masks, std::uint64_t all) {
  __builtin_memcpy(masks, &all, sizeof all);
}

/// Signs of units i .. end - 1, four side by side; the first unit that is left.
template <int known>
[[gnu::always_inline]] inline std::int64_t sum_signs_side_by_side(const Messages<std::int32_t>& messages,
                                                                  unsigned active, std::int64_t i,
                                                                  std::int64_t end, SignsOut out) {
  const auto all = std::uint64_t{active} * 0x0001'0001'0001'0001u;
  const auto at = [&](std::int64_t unit) __attribute__((always_inline)) {
    return sum_at<known>(messages.by_lane, messages.by_lane_count, unit * lanes);
  };
  for (; i + 4 <= end; i += 4) {
    const std::uint64_t negative = sign_bits(at(i), at(i + 1), at(i + 2), at(i + 3));
    store_masks(out.plus + i, all & ~negative);
    store_masks(out.minus + i, all & negative);
  }
  return i;
}

/// Errors of units k .. end - 1 of a panel whose first one lies at `row`, four side by side; the first unit
/// that is left.
template <int known>
[[gnu::always_inline]] inline std::int64_t sum_errors_side_by_side(const Messages<std::int32_t>& messages,
                                                                   SignsIn t, const std::int64_t* margin,
                                                                   std::int64_t row, std::int64_t k,
                                                                   std::int64_t end, SignsOut v) {
  for (; k + 4 <= end; k += 4) {
    Words above[4], below[4];  // negative where the field is above the margin, or below its negative
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const Words h = sum_at<known>(messages.by_lane, messages.by_lane_count, (row + k + i) * lanes);
      const Words bound = (Words)broadcast(margin_of<std::int32_t>(margin[k + i]));
      above[i] = bound - h;
      below[i] = h + bound;
    }
    const std::int64_t at = row + k;
    store_masks(v.plus + at, load_masks(t.plus + at) & ~sign_bits(above[0], above[1], above[2], above[3]));
    store_masks(v.minus + at, load_masks(t.minus + at) & ~sign_bits(below[0], below[1], below[2], below[3]));
  }
  return k;
}

#endif

template <class T>
void sum_sign(const Messages<T>& messages, Units units, std::int64_t batch, SignsOut out) {
  if (messages.by_sample_count > 0) return sum_sign_rows(messages, units, batch, out);
  with_count(messages.by_lane_count, [&]<int known>() {
    for (std::int64_t p = 0; p < panels_of(batch); ++p) {
      const unsigned active = active_lanes(batch, p);
      std::int64_t i = p * units.count + units.begin;
      const std::int64_t end = p * units.count + units.end;
#if defined(__AVX512F__)
      if constexpr (sizeof(T) == 4) i = sum_signs_side_by_side<known>(messages, active, i, end, out);
#endif
      for (; i < end; ++i) {
        unsigned negative = 0;
        for (int strip = 0; strip < strips<T>; ++strip) {
          negative |=
              sign_bits(sum_at<known>(messages.by_lane, messages.by_lane_count, i * lanes + strip * width<T>))
              << (strip * width<T>);
        }
        out.plus[i] = static_cast<Mask>(active & ~negative);
        out.minus[i] = static_cast<Mask>(active & negative);
      }
    }
  });
}

template <class T>
void sum_error_rows(const Messages<T>& messages, SignsIn t, const std::int64_t* margin, Units units,
                    std::int64_t panels, SignsOut v) {
  RowSums<T> rows(messages, units);
  for_each_block(units, panels, [&](std::int64_t p, std::int64_t k, std::int64_t n) {
    rows.start(p, k);
    alignas(register_bytes) T upper[lanes] = {}, lower[lanes] = {};
    for (std::int64_t i = 0; i < n; ++i) {
      upper[i] = margin_of<T>(margin[k + i]);
      lower[i] = static_cast<T>(-upper[i]);
    }
    Mask of_sample[2][lanes], low[lanes], high[lanes];
    for (int lane = 0; lane < lanes; ++lane) {
      unsigned below_upper = 0, above_lower = 0;
      for (int strip = 0; strip < strips<T>; ++strip) {
        const int first = strip * width<T>;
        const Vector<T> h = (Vector<T>)rows.at(lane, strip);
        below_upper |= at_most(h, load<T>(upper + first)) << first;
        above_lower |= at_most(load<T>(lower + first), h) << first;
      }
      of_sample[0][lane] = static_cast<Mask>(below_upper);
      of_sample[1][lane] = static_cast<Mask>(above_lower);
    }
    transpose_bits(of_sample[0], low);
    transpose_bits(of_sample[1], high);
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t at = p * units.count + k + i;
      v.plus[at] = t.plus[at] & low[i];
      v.minus[at] = t.minus[at] & high[i];
    }
  });
}

template <class T>
void sum_error(const Messages<T>& messages, SignsIn t, const std::int64_t* margin, Units units,
               std::int64_t panels, SignsOut v) {
  if (messages.by_sample_count > 0) return sum_error_rows(messages, t, margin, units, panels, v);
  with_count(messages.by_lane_count, [&]<int known>() {
    for (std::int64_t p = 0; p < panels; ++p) {
      std::int64_t k = units.begin;
#if defined(__AVX512F__)
      if constexpr (sizeof(T) == 4)
        k = sum_errors_side_by_side<known>(messages, t, margin, p * units.count, k, units.end, v);
#endif
      for (; k < units.end; ++k) {
        const std::int64_t i = p * units.count + k;
        const T bound = margin_of<T>(margin[k]);
        const Vector<T> upper = broadcast<T>(bound), lower = broadcast<T>(static_cast<T>(-bound));
        unsigned low = 0, high = 0;
        for (int strip = 0; strip < strips<T>; ++strip) {
          const Vector<T> h = (Vector<T>)sum_at<known>(messages.by_lane, messages.by_lane_count,
                                                       i * lanes + strip * width<T>);
          low |= at_most(h, upper) << (strip * width<T>);
          high |= at_most(lower, h) << (strip * width<T>);
        }
        v.plus[i] = static_cast<Mask>(t.plus[i] & low);
        v.minus[i] = static_cast<Mask>(t.minus[i] & high);
      }
    }
  });
}

/// Errors of one two-valued unit of a panel, of its fields as integers.
template <class T>
[[gnu::always_inline]] inline void pair_errors(const T* h, std::int64_t h_stride, SignsIn t, std::int64_t i,
                                               float a, float b, float margin, float unit, SignsOut v) {
  alignas(register_bytes) float f[lanes];
  for (int lane = 0; lane < lanes; ++lane) f[lane] = static_cast<float>(h[lane * h_stride]) * unit;
  unsigned low_a = 0, low_b = 0;
  for (int lane = 0; lane < lanes; lane += words) {
    const Floats field = load<float>(f + lane), bound = broadcast<float>(margin);
    low_a |= at_most(broadcast<float>(a) * field, bound) << lane;
    low_b |= at_most(broadcast<float>(b) * field, bound) << lane;
  }
  v.plus[i] = static_cast<Mask>(t.plus[i] & low_a);
  v.minus[i] = static_cast<Mask>(t.minus[i] & low_b);
}

template <class T>
void sum_pair_error(const Messages<T>& messages, SignsIn t, float a, float b, const float* margin,
                    int fixed_bits, Units units, std::int64_t panels, SignsOut v) {
  const float unit = two_to(-fixed_bits);
  alignas(register_bytes) T h[lanes * lanes];
  if (messages.by_sample_count == 0) {
    for (std::int64_t p = 0; p < panels; ++p) {
      for (std::int64_t k = units.begin; k < units.end; ++k) {
        const std::int64_t i = p * units.count + k;
        for (std::int64_t lane = 0; lane < lanes; lane += width<T>)
          store(h + lane, sum_at<0>(messages.by_lane, messages.by_lane_count, i * lanes + lane));
        pair_errors(h, 1, t, i, a, b, margin[k], unit, v);
      }
    }
    return;
  }
  RowSums<T> rows(messages, units);
  for_each_block(units, panels, [&](std::int64_t p, std::int64_t k, std::int64_t n) {
    rows.start(p, k);
    for (int lane = 0; lane < lanes; ++lane) {
      for (int strip = 0; strip < strips<T>; ++strip)
        store(h + lane * lanes + strip * width<T>, rows.at(lane, strip));
    }
    for (std::int64_t i = 0; i < n; ++i)
      pair_errors(h + i, lanes, t, p * units.count + k + i, a, b, margin[k + i], unit, v);
  });
}

}  // namespace
}  // namespace relaxon
