// Messages of real-valued senders: one accumulator an output, senders ascending, fused multiply-add.
#pragma once

#include <type_traits>
#include <utility>

#include "runtime/kernels/sender_pair.hpp"
#include "runtime/kernels/vectors.hpp"

namespace relaxon {
namespace {

inline Mask differing_samples(const float* a, const float* b, std::int64_t units) {
  unsigned differ = 0;
  for (std::int64_t lane = 0; lane < lanes; lane += words) {
    Words any{};
    for (std::int64_t i = lane; i < units * lanes; i += lanes)
      any = any | (load<std::uint32_t>(a + i) ^ load<std::uint32_t>(b + i));
    for (int word = 0; word < words; ++word) differ |= static_cast<unsigned>(any[word] != 0) << (lane + word);
  }
  return static_cast<Mask>(differ);
}

/// Rows that a tile of receivers asks for ahead of time: it takes little of each, too far apart for the
/// processor to guess the next.
constexpr std::int64_t rows_ahead = 32;

template <std::size_t... r>
[[gnu::always_inline]] inline void real_tile(DenseWeight<const float> w, const float* entries, const float* x,
                                             std::int64_t receivers, float* acc, std::index_sequence<r...>) {
  Floats sum[sizeof...(r)] = {};
  for (std::int64_t j = 0; j < w.senders; ++j, entries += w.stride, x += lanes) {
    const Floats value = load<float>(x);
    __builtin_prefetch(entries + rows_ahead * w.stride);
    ((sum[r] = fma(value, broadcast<float>(entries[r]), sum[r])), ...);
  }
  ((static_cast<std::int64_t>(r) < receivers ? store(acc + static_cast<std::int64_t>(r) * lanes, sum[r])
                                             : void()),
   ...);
}

template <int tile>
void real_column_tile(DenseWeight<const float> w, std::int64_t first, const float* x, std::int64_t panels,
                      float* acc) {
  for (std::int64_t p = 0; p < panels; ++p) {
    for (std::int64_t lane = 0; lane < lanes; lane += words) {
      real_tile(w, w.entries + first, x + p * w.senders * lanes + lane, w.end - first,
                acc + (p * w.receivers + first) * lanes + lane, std::make_index_sequence<tile>());
    }
  }
}

void real_dense(DenseWeight<const float> w, const float* x, std::int64_t panels, float* acc) {
  constexpr int tile = register_bytes == 64 ? 16 : 8;
  std::int64_t k = w.begin;
  for (; k + tile / 2 < w.end; k += tile) real_column_tile<tile>(w, k, x, panels, acc);
  for (; k < w.end; k += tile / 4) real_column_tile<tile / 4>(w, k, x, panels, acc);
}

/// The sums of some samples into some registers of receivers; `entries` points at these in the first row.
template <std::size_t... s, std::size_t... r>
[[gnu::always_inline]] inline void sample_tile(const float* entries, std::int64_t stride, const float* x,
                                               std::int64_t senders, float* h, std::index_sequence<s...>,
                                               std::index_sequence<r...>) {
  Floats sum[sizeof...(s)][sizeof...(r)] = {};
  for (std::int64_t j = 0; j < senders; ++j, entries += stride) {
    const Floats row[] = {load<float>(entries + static_cast<std::int64_t>(r) * words)...};
    const auto add = [&](Floats(&own)[sizeof...(r)], Floats value) __attribute__((always_inline)) {
      ((own[r] = fma(value, row[r], own[r])), ...);
    };
    (add(sum[s], broadcast<float>(x[static_cast<std::int64_t>(s) * senders + j])), ...);
  }
  const auto finish = [&](const Floats(&own)[sizeof...(r)], float* to) __attribute__((always_inline)) {
    (store(to + static_cast<std::int64_t>(r) * words, own[r]), ...);
  };
  (finish(sum[s], h + static_cast<std::int64_t>(s) * stride), ...);
}

/// As many samples at once as leave registers for a row.
template <std::size_t registers>
void sample_tiles(DenseWeight<const float> w, std::int64_t k, const float* x, std::int64_t samples,
                  float* h) {
  constexpr std::int64_t most = register_bytes == 64 ? 4 : 2;
  constexpr auto row = std::make_index_sequence<registers>();
  std::int64_t b = 0;
  for (; b + most <= samples; b += most)
    sample_tile(w.entries + k, w.stride, x + b * w.senders, w.senders, h + b * w.stride + k,
                std::make_index_sequence<static_cast<std::size_t>(most)>(), row);
  for (; b < samples; ++b)
    sample_tile(w.entries + k, w.stride, x + b * w.senders, w.senders, h + b * w.stride + k,
                std::make_index_sequence<1>(), row);
}

void real_rows(DenseWeight<const float> w, const float* x, std::int64_t samples, float* h) {
  const std::int64_t end = row_stride(w.end);
  std::int64_t k = w.begin;
  for (; k + 4 * words <= end; k += 4 * words) sample_tiles<4>(w, k, x, samples, h);
  for (; k < end; k += words) sample_tiles<1>(w, k, x, samples, h);
}

/// Columns that run side by side: enough to hide the latency of a sum, few enough to keep their addresses in
/// registers.
constexpr int column_group = 4;

/// A register of lanes of one sender, from numbers or from bytes.
[[gnu::always_inline]] inline Floats sender_lanes(const float* x) { return load<float>(x); }
[[gnu::always_inline]] inline Floats sender_lanes(const std::uint8_t* x) { return bytes_to_floats(x); }

/// A sum over senders as the message: those over bytes are scaled.
struct Unscaled {
  [[gnu::always_inline]] Floats message(Floats sum) const { return sum; }
};
struct Scaled {
  [[gnu::always_inline]] Floats message(Floats sum) const { return sum * broadcast<float>(scale); }
  float scale;
};

/// A strip of lanes of senders in some panels.
template <class X, std::size_t count, class Finish>
struct SenderPanels {
  static constexpr std::size_t panels = count;

  [[gnu::always_inline]] void add(std::int64_t sender, Floats weight, Floats (&sum)[count]) const {
    for (std::size_t p = 0; p < count; ++p)
      sum[p] = fma(sender_lanes(x + static_cast<std::int64_t>(p) * apart + sender * lanes), weight, sum[p]);
  }
  const X* x;
  std::int64_t apart;  // of two panels
  Finish finish;
};

/// Bytes of two panels side by side, as join_bytes() makes them: a load brings both, and they are floats for
/// one operation each.
struct JoinedBytes {
  static constexpr std::size_t panels = 2;

  [[gnu::always_inline]] void add(std::int64_t sender, Floats weight, Floats (&sum)[2]) const {
    const Words both = read_once(words_of + sender * lanes);
    sum[0] = fma((Floats)(both & 0xffff0000u), weight, sum[0]);
    sum[1] = fma((Floats)(both << 16), weight, sum[1]);
  }
  const std::uint32_t* words_of;
  Scaled finish;
};

/// The numbers of two panels in a word: bytes are bfloat16 numbers, the first panel's in the upper half.
inline void join_bytes(const std::uint8_t* x, std::int64_t senders, std::uint32_t* joined) {
  for (std::int64_t i = 0; i < senders * lanes; i += words) {
    const Words first = (Words)bytes_to_floats(x + i),
                second = (Words)bytes_to_floats(x + senders * lanes + i);
    store(joined + i, first | second >> 16);
  }
}

/// One strip of lanes of some columns, shortest first; the sums of a column's panels lie `apart`.
template <class Senders, std::size_t... c>
[[gnu::always_inline]] inline void column_tile(SparseWeight<const float> w, const Senders& senders,
                                               const std::int32_t* column, float* acc, std::int64_t apart,
                                               std::index_sequence<c...>) {
  const float* entry[] = {w.entries + w.offsets[column[c]]...};
  const std::int32_t* sender[] = {w.sender + w.offsets[column[c]]...};
  const std::int32_t length[] = {w.offsets[column[c] + 1] - w.offsets[column[c]]...};
  Floats sum[sizeof...(c)][Senders::panels] = {};
  const auto add = [&](std::size_t which, std::int64_t j, std::int32_t i) __attribute__((always_inline)) {
    senders.add(j, broadcast<float>(entry[which][i]), sum[which]);
  };
  const auto add_two = [&](std::size_t which, std::int32_t i) __attribute__((always_inline)) {
    const SenderPair two(sender[which] + i);
    add(which, two.first, i);
    add(which, two.second, i + 1);
  };
  std::int32_t i = 0;
  for (; i + 2 <= length[0]; i += 2) (add_two(c, i), ...);
  const auto finish = [&](std::size_t which) __attribute__((always_inline)) {
    for (std::int32_t e = i; e < length[which]; ++e) add(which, sender[which][e], e);
    float* to = acc + std::int64_t{column[which]} * lanes;
    for (std::size_t p = 0; p < Senders::panels; ++p)
      store(to + static_cast<std::int64_t>(p) * apart, senders.finish.message(sum[which][p]));
  };
  (finish(c), ...);
}

/// The columns first .. last - 1.
template <class Senders>
void column_tiles(SparseWeight<const float> w, std::int64_t first, std::int64_t last, const Senders& senders,
                  float* acc) {
  const std::int64_t apart = w.receivers * lanes;
  std::int64_t i = first;
  for (; i + column_group <= last; i += column_group)
    column_tile(w, senders, w.order + i, acc, apart, std::make_index_sequence<column_group>());
  for (; i < last; ++i) column_tile(w, senders, w.order + i, acc, apart, std::make_index_sequence<1>());
}

/// Calls run(panel, count) for panels that are computed together, `count` an integral constant.
template <class Run>
[[gnu::always_inline]] inline void for_each_panels(std::int64_t panels, Run run) {
  std::int64_t p = 0;
  for (; p + panels_together <= panels; p += panels_together)
    run(p, std::integral_constant<std::size_t, panels_together>());
  if constexpr (panels_together == 1) return;
  for (; p < panels; ++p) run(p, std::integral_constant<std::size_t, 1>());
}

/// Calls run(first, last) for blocks of a call's columns: all panels use a block while it is in the first
/// cache.
template <class Run>
[[gnu::always_inline]] inline void for_each_block(SparseWeight<const float> w, Run run) {
  for (std::int64_t first = w.begin; first < w.end; first += unit_block)
    run(first, first + unit_block < w.end ? first + unit_block : w.end);
}

template <class X, class Finish, std::size_t count>
void sparse_columns(SparseWeight<const float> w, std::int64_t first, std::int64_t last, const X* x,
                    Finish finish, float* acc, std::integral_constant<std::size_t, count>) {
  for (std::int64_t lane = 0; lane < lanes; lane += words) {
    const SenderPanels<X, count, Finish> senders{x + lane, w.senders * lanes, finish};
    column_tiles(w, first, last, senders, acc + lane);
  }
}

void real_sparse(SparseWeight<const float> w, const float* x, std::int64_t panels, float* acc) {
  for_each_block(w, [&](std::int64_t first, std::int64_t last) {
    for_each_panels(panels, [&](std::int64_t p, auto count) {
      sparse_columns(w, first, last, x + p * w.senders * lanes, Unscaled{}, acc + p * w.receivers * lanes,
                     count);
    });
  });
}

void byte_sparse(SparseWeight<const float> w, const std::uint8_t* x, std::int64_t panels, float scale,
                 std::uint32_t* joined, float* acc) {
  const std::int64_t panel = w.senders * lanes;
  const Scaled finish{scale};
  if constexpr (panels_together == 2) {
    for (std::int64_t p = 0; p + 2 <= panels; p += 2)
      join_bytes(x + p * panel, w.senders, joined + p / 2 * panel);
  }
  for_each_block(w, [&](std::int64_t first, std::int64_t last) {
    for_each_panels(
        panels, [&]<std::size_t count>(std::int64_t p, std::integral_constant<std::size_t, count> together) {
          float* to = acc + p * w.receivers * lanes;
          if constexpr (count == 2) {
            column_tiles(w, first, last, JoinedBytes{joined + p / 2 * panel, finish}, to);
          } else {
            sparse_columns(w, first, last, x + p * panel, finish, to, together);
          }
        });
  });
}

}  // namespace
}  // namespace relaxon
