// Messages of real-valued senders: one accumulator an output, senders ascending, fused multiply-add.
#pragma once

#include <utility>

#include "runtime/kernels/vectors.hpp"

namespace relaxon {
namespace {

template <std::size_t... r>
[[gnu::always_inline]] inline void real_tile(DenseWeight<const float> w, const float* entries, const float* x,
                                             std::int64_t receivers, float* acc, std::index_sequence<r...>) {
  Floats sum[sizeof...(r)] = {};
  for (std::int64_t j = 0; j < w.senders; ++j, entries += w.stride, x += lanes) {
    const Floats value = load<float>(x);
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
      real_tile(w, w.entries + first, x + p * w.senders * lanes + lane, w.receivers - first,
                acc + (p * w.receivers + first) * lanes + lane, std::make_index_sequence<tile>());
    }
  }
}

void real_dense(DenseWeight<const float> w, const float* x, std::int64_t panels, float* acc) {
  constexpr int tile = register_bytes == 64 ? 16 : 8;
  std::int64_t k = 0;
  for (; k + tile / 2 < w.receivers; k += tile) real_column_tile<tile>(w, k, x, panels, acc);
  for (; k < w.receivers; k += tile / 4) real_column_tile<tile / 4>(w, k, x, panels, acc);
}

constexpr int column_block = 64;  // columns ordered at a time
constexpr int column_group = 8;   // columns that run side by side: as many as hide the latency of a sum

/// Up to column_block columns from `first`, ordered by length: neighbours end together.
struct ColumnOrder {
  ColumnOrder(const std::int32_t* offsets, std::int64_t first, int count) {
    std::int32_t key[column_block];
    for (int i = 0; i < column_block; ++i) key[i] = INT32_MAX;
    for (int i = 0; i < count; ++i) {
      key[i] = (offsets[first + i + 1] - offsets[first + i]) * column_block + i;
    }
    for (int i = 0; i < count; ++i) {
      int rank = 0;
      for (int other = 0; other < column_block; ++other) rank += key[other] < key[i];
      column[rank] = static_cast<std::int32_t>(first + i);
    }
  }
  std::int32_t column[column_block];
};

/// One strip of lanes of column_group columns, shortest first.
template <std::size_t... c>
[[gnu::always_inline]] inline void column_tile(SparseWeight<const float> w, const float* x,
                                               const std::int32_t* column, float* acc,
                                               std::index_sequence<c...>) {
  const float* entry[] = {w.entries + w.offsets[column[c]]...};
  const std::int32_t* sender[] = {w.sender + w.offsets[column[c]]...};
  const std::int32_t length[] = {w.offsets[column[c] + 1] - w.offsets[column[c]]...};
  Floats sum[sizeof...(c)] = {};
  std::int32_t i = 0;
  for (; i < length[0]; ++i) {
    ((sum[c] =
          fma(load<float>(x + std::int64_t{sender[c][i]} * lanes), broadcast<float>(entry[c][i]), sum[c])),
     ...);
  }
  const auto finish = [&](Floats& one, std::size_t which) {
    for (std::int32_t e = i; e < length[which]; ++e) {
      one = fma(load<float>(x + std::int64_t{sender[which][e]} * lanes), broadcast<float>(entry[which][e]),
                one);
    }
    store(acc + std::int64_t{column[which]} * lanes, one);
  };
  (finish(sum[c], c), ...);
}

void real_sparse(SparseWeight<const float> w, const float* x, std::int64_t panels, float* acc) {
  for (std::int64_t first = 0; first < w.receivers; first += column_block) {
    const int count =
        static_cast<int>(w.receivers - first < column_block ? w.receivers - first : column_block);
    const ColumnOrder order(w.offsets, first, count);
    for (std::int64_t p = 0; p < panels; ++p) {
      for (std::int64_t lane = 0; lane < lanes; lane += words) {
        const float* from = x + p * w.senders * lanes + lane;
        float* to = acc + p * w.receivers * lanes + lane;
        int i = 0;
        for (; i + column_group <= count; i += column_group) {
          column_tile(w, from, order.column + i, to, std::make_index_sequence<column_group>());
        }
        for (; i < count; ++i) column_tile(w, from, order.column + i, to, std::make_index_sequence<1>());
      }
    }
  }
}

}  // namespace
}  // namespace relaxon
