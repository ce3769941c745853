// Exact messages of dense weights, a sample at a time: rows of q are added where the sender is +1, taken away
// where it is -1. A message costs the senders that are on, a change only those that changed.
#pragma once

#include "runtime/kernels/advance.hpp"
#include "runtime/kernels/transpose.hpp"

namespace relaxon {
namespace {

/// q as numbers of the field's width.
template <class T>
[[gnu::always_inline]] inline Field<T> load_q(const std::int32_t* q) {
  if constexpr (sizeof(T) == 4) return load<std::uint32_t>(q);
  typedef std::int32_t Narrow_q __attribute__((vector_size(register_bytes / 2)));
  Narrow_q narrow;
  __builtin_memcpy(&narrow, q, sizeof narrow);
  return (Field<T>)__builtin_convertvector(narrow, Vector<std::int64_t>);
}

/// The most registers of receivers that are summed side by side: a sample's senders are picked again for each
/// tile.
template <class T>
constexpr int row_tile = registers >= 32 && sizeof(T) == 4 ? 20 : 7;

/// Calls run(std::make_index_sequence<n>()) for n in 1 .. most.
template <int most, class Run>
[[gnu::always_inline]] inline void with_tile(std::int64_t n, Run run) {
  if constexpr (most > 1) {
    if (n < most) return with_tile<most - 1>(n, run);
  }
  run(std::make_index_sequence<static_cast<std::size_t>(most)>());
}

/// Calls run(k, tile) for tiles of registers that cover the receivers, padding included: as few as can be, as
/// even as can be.
template <class T, class Run>
[[gnu::always_inline]] inline void for_each_row_tile(std::int64_t receivers, Run run) {
  std::int64_t left = (receivers + width<T> - 1) / width<T>;
  std::int64_t size = 0;
  for (std::int64_t k = 0; left > 0; left -= size, k += size * width<T>) {
    const std::int64_t tiles = (left + row_tile<T> - 1) / row_tile<T>;
    size = (left + tiles - 1) / tiles;
    with_tile<row_tile<T>>(size, [&](auto tile) { run(k, tile); });
  }
}

/// sum += or -= the rows of q whose bit is set; q points at the tile in the first row.
template <class T, bool negative, std::size_t... r>
[[gnu::always_inline]] inline void add_chosen_rows(const std::int32_t* q, std::int64_t stride,
                                                   std::uint64_t chosen, Field<T>* sum,
                                                   std::index_sequence<r...>) {
  for (; chosen != 0; chosen &= chosen - 1) {
    const std::int32_t* row = q + __builtin_ctzll(chosen) * stride;
    if constexpr (negative) {
      ((sum[r] = sum[r] - load_q<T>(row + static_cast<std::int64_t>(r) * width<T>)), ...);
    } else {
      ((sum[r] = sum[r] + load_q<T>(row + static_cast<std::int64_t>(r) * width<T>)), ...);
    }
  }
}

/// Which of 64 senders are on, by sample.
struct SenderBits {
  static constexpr std::int64_t count = 64;

  SenderBits() = default;
  SenderBits(const Mask* plane, std::int64_t senders) {
    if (senders >= count) {
      spread(plane);
    } else {
      Mask masks[count] = {};
      for (std::int64_t i = 0; i < senders; ++i) masks[i] = plane[i];
      spread(masks);
    }
  }
  std::uint64_t of_sample[lanes];

 private:
  /// Of `count` senders.
  void spread(const Mask* masks) {
#if defined(__AVX512F__)
    __m512i low = _mm512_loadu_si512(masks), high = _mm512_loadu_si512(masks + count / 2);
    for (int lane = lanes - 1; lane >= 0; --lane) {
      of_sample[lane] = _mm512_movepi16_mask(low) | std::uint64_t{_mm512_movepi16_mask(high)} << 32;
      low = _mm512_add_epi16(low, low);
      high = _mm512_add_epi16(high, high);
    }
#else
    for (std::int64_t j = 0; j < count; j += lanes) {
      Mask own[lanes], bits[lanes];
      for (std::int64_t i = 0; i < lanes; ++i) own[i] = masks[j + i];
      transpose_bits(own, bits);
      for (int lane = 0; lane < lanes; ++lane)
        of_sample[lane] = (j == 0 ? 0u : of_sample[lane]) | std::uint64_t{bits[lane]} << j;
    }
#endif
  }
};

/// An order of a panel's samples in which neighbours are alike: each is followed by the nearest of those that
/// are left, starting with the one that has the fewest senders on.
struct SamplePath {
  SamplePath() = default;
  SamplePath(const Mask* plane, std::int64_t senders, std::int64_t samples) : count(samples) {
    std::int64_t apart[lanes][lanes] = {};  // on the diagonal: from none on
    for (std::int64_t j = 0; j < senders; j += SenderBits::count) {
      const SenderBits bits(plane + j, senders - j);
      for (std::int64_t a = 0; a < samples; ++a) {
        apart[a][a] += __builtin_popcountll(bits.of_sample[a]);
        for (std::int64_t b = 0; b < a; ++b)
          apart[a][b] += __builtin_popcountll(bits.of_sample[a] ^ bits.of_sample[b]);
      }
    }
    for (std::int64_t i = 0; i < samples; ++i) sample[i] = static_cast<int>(i);
    for (std::int64_t i = 0; i < samples; ++i) {
      const auto from_last = [&](int to) {
        if (i == 0) return apart[to][to];
        const int last = sample[i - 1];
        return last > to ? apart[last][to] : apart[to][last];
      };
      std::int64_t nearest = i;
      for (std::int64_t c = i + 1; c < samples; ++c)
        if (from_last(sample[c]) < from_last(sample[nearest])) nearest = c;
      const int next = sample[nearest];
      sample[nearest] = sample[i];
      sample[i] = next;
    }
  }
  std::int64_t count = 0;
  int sample[lanes];
};

/// What a block of senders is added to: of the first block `base`, or nothing if that is null; of the others
/// what those before have left.
template <class T>
struct Below {
  const T* base;
  T* h;
  bool first;
  const T* at(std::int64_t i) const { return !first ? h + i : base ? base + i : nullptr; }
};

/// `field` on top of a register that may be none.
template <class T>
[[gnu::always_inline]] inline Field<T> on_top_of(const T* below, Field<T> field) {
  return below ? (Field<T>)load<std::make_unsigned_t<T>>(below) + field : field;
}

/// One panel's part of a tile of signs_rows; q points at the tile in the block's first row, `place` is that
/// of the tile in the first sample. `message` is the block's of a sample in which the senders of `start` are
/// on.
template <class T, std::size_t... r>
[[gnu::always_inline]] inline void signs_tile(const std::int32_t* q, std::int64_t stride,
                                              const SenderBits& plus, const SamplePath& path,
                                              std::uint64_t start, const Field<T>* message, Below<T> below,
                                              std::int64_t place, std::int64_t h_stride,
                                              std::index_sequence<r...> tile) {
  Field<T> moved[sizeof...(r)] = {};
  std::uint64_t last = start;
  for (std::int64_t i = 0; i < path.count; ++i) {
    const std::uint64_t now = plus.of_sample[path.sample[i]];
    add_chosen_rows<T, false>(q, stride, now & ~last, moved, tile);
    add_chosen_rows<T, true>(q, stride, last & ~now, moved, tile);
    last = now;
    const std::int64_t to = place + path.sample[i] * h_stride;
    const T* from = below.at(to);
    const auto finish = [&](std::int64_t at, Field<T> field) {
      store(below.h + to + at, on_top_of<T>(from ? from + at : nullptr, field));
    };
    (finish(static_cast<std::int64_t>(r) * width<T>, message[r] + moved[r] + moved[r]), ...);
  }
}

/// Panels that use a block of rows one after the other.
constexpr std::int64_t most_panels = 8;

/// h = base + the rows of senders that are +1 less those of the others, for up to most_panels panels. From
/// one sample to the next only senders that differ are added or taken away, twice, and all panels use a block
/// of rows while it is cached.
template <class T>
void signs_rows(DenseWeight<const std::int32_t> q, const Mask* plus, std::int64_t samples, const T* base,
                T* h) {
  const std::int64_t stride = row_stride(q.receivers);
  SamplePath paths[most_panels];
  const std::int64_t panels = panels_of(samples);
  for (std::int64_t p = 0; p < panels; ++p) {
    const std::int64_t left = samples - p * lanes;
    paths[p] = {plus + p * q.senders + q.first_sender, q.last_sender - q.first_sender,
                left < lanes ? left : lanes};
  }
  for (std::int64_t j = q.first_sender; j < q.last_sender; j += SenderBits::count) {
    const std::int64_t left = q.last_sender - j;
    const std::int64_t senders = left < SenderBits::count ? left : SenderBits::count;
    SenderBits bits[most_panels];
    for (std::int64_t p = 0; p < panels; ++p) bits[p] = {plus + p * q.senders + j, senders};
    const std::uint64_t own = ~std::uint64_t{} >> (SenderBits::count - senders);
    const std::uint64_t start = bits[0].of_sample[paths[0].sample[0]];
    for_each_row_tile<T>(
        q.receivers, [&]<std::size_t... r>(std::int64_t k, std::index_sequence<r...> tile) {
          const std::int32_t* rows = q.entries + j * q.stride + k;
          Field<T> message[sizeof...(r)] = {};
          add_chosen_rows<T, false>(rows, q.stride, start, message, tile);
          add_chosen_rows<T, true>(rows, q.stride, own & ~start, message, tile);
          for (std::int64_t p = 0; p < panels; ++p) {
            signs_tile(rows, q.stride, bits[p], paths[p], start, message,
                       Below<T>{base, h, j == q.first_sender}, p * lanes * stride + k, stride, tile);
          }
        });
  }
}

/// h = base + the rows of senders that are +1 less those that are -1.
template <class T>
void signed_rows(DenseWeight<const std::int32_t> q, SignsIn x, std::int64_t samples, const T* base, T* h) {
  const std::int64_t stride = row_stride(q.receivers);
  for (std::int64_t j = q.first_sender; j < q.last_sender; j += SenderBits::count) {
    const SenderBits plus(x.plus + j, q.last_sender - j), minus(x.minus + j, q.last_sender - j);
    for_each_row_tile<T>(
        q.receivers, [&]<std::size_t... r>(std::int64_t k, std::index_sequence<r...> tile) {
          const std::int32_t* rows = q.entries + j * q.stride + k;
          for (std::int64_t lane = 0; lane < samples; ++lane) {
            T* to = h + lane * stride + k;
            const T* from = Below<T>{base, h, j == q.first_sender}.at(lane * stride + k);
            Field<T> sum[] = {
                on_top_of<T>(from ? from + static_cast<std::int64_t>(r) * width<T> : nullptr, Field<T>{})...};
            add_chosen_rows<T, false>(rows, q.stride, plus.of_sample[lane], sum, tile);
            add_chosen_rows<T, true>(rows, q.stride, minus.of_sample[lane], sum, tile);
            (store(to + static_cast<std::int64_t>(r) * width<T>, sum[r]), ...);
          }
        });
  }
}

/// Receivers of which a message is summed by lane, some side by side: picking rows one by one is slow when
/// they are short.
constexpr std::int64_t few_receivers = 16;

/// With `signs`, sums only hold what the senders that are +1 add, and `total` what all would.
template <class T, bool signs, std::size_t... r>
[[gnu::always_inline]] inline void sums_by_lane(DenseWeight<const std::int32_t> q, const std::int32_t* column,
                                                SignsIn x, int strip, T* sums, std::index_sequence<r...>) {
  using V = Field<T>;
  using U = std::make_unsigned_t<T>;
  V sum[sizeof...(r)] = {};
  U total[sizeof...(r)] = {};
  for (std::int64_t j = q.first_sender; j < q.last_sender; ++j, column += q.stride) {
    const LaneSet<V> up = strip_of<V>(x.plus[j], strip);
    ((sum[r] = add_where(sum[r], up, spread<V>(column[r]))), ...);
    if constexpr (signs) {
      ((total[r] += static_cast<U>(static_cast<T>(column[r]))), ...);
    } else {
      const LaneSet<V> down = strip_of<V>(x.minus[j], strip);
      ((sum[r] = add_where(sum[r], down, V{} - spread<V>(column[r]))), ...);
    }
  }
  if constexpr (signs) ((sum[r] = sum[r] + sum[r] - (V{} + total[r])), ...);
  (store(sums + static_cast<std::int64_t>(r) * lanes + strip * width<T>, sum[r]), ...);
}

/// One panel's message to a few receivers.
template <class T, bool signs>
void few_rows(DenseWeight<const std::int32_t> q, SignsIn x, std::int64_t samples, const T* base, T* h) {
  alignas(register_bytes) T sums[few_receivers * lanes];
  const std::int64_t count = q.receivers;
  for (std::int64_t k = 0; k < count;) {
    const bool many = count - k > 4;
    for (int strip = 0; strip < strips<T>; ++strip) {
      const std::int32_t* column = q.entries + q.first_sender * q.stride + k;
      T* to = sums + k * lanes;
      if (many) {
        sums_by_lane<T, signs>(q, column, x, strip, to, std::make_index_sequence<8>());
      } else {
        sums_by_lane<T, signs>(q, column, x, strip, to, std::make_index_sequence<4>());
      }
    }
    k += many ? 8 : 4;
  }
  for (std::int64_t lane = 0; lane < samples; ++lane) {
    const std::int64_t row = lane * row_stride(q.receivers);
    for (std::int64_t k = 0; k < count; ++k) h[row + k] = sums[k * lanes + lane] + (base ? base[row + k] : 0);
  }
}

template <class T>
void exact_rows(DenseWeight<const std::int32_t> q, SignsIn x, std::int64_t batch, const T* base, T* h) {
  const bool few = q.receivers <= few_receivers;
  const bool signs = all_signs(x, {q.senders, q.first_sender, q.last_sender}, batch);
  const std::int64_t at_once = signs && !few ? most_panels : 1;
  for (std::int64_t p = 0; p < panels_of(batch); p += at_once) {
    const std::int64_t left = batch - p * lanes, samples = left < at_once * lanes ? left : at_once * lanes;
    const SignsIn panel{x.plus + p * q.senders, x.minus + p * q.senders};
    const std::int64_t at = p * lanes * row_stride(q.receivers);
    const T* from = base ? base + at : nullptr;
    T* to = h + at;
    if (few) {
      signs ? few_rows<T, true>(q, panel, samples, from, to)
            : few_rows<T, false>(q, panel, samples, from, to);
    } else if (signs) {
      signs_rows(q, panel.plus, samples, from, to);
    } else {
      signed_rows(q, panel, samples, from, to);
    }
  }
}

}  // namespace
}  // namespace relaxon
