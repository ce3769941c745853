// Messages into exact fields: sums of q over the lanes that are +1, less those that are -1.
#pragma once

#include <utility>

#include "runtime/kernels/vectors.hpp"

namespace relaxon {
namespace {

/// q in every lane, wrapped to the field's width.
template <class V>
[[gnu::always_inline]] inline V spread(std::int32_t q) {
  using U = std::remove_reference_t<decltype(V{}[0])>;
  return static_cast<U>(static_cast<std::make_signed_t<U>>(q)) - V{};
}

/// Whether every active lane of every unit is +1 or -1. The message is then twice the sum over the lanes that
/// are +1, less the sum over all senders: half the additions.
inline bool all_signs(SignsIn x, std::int64_t units, std::int64_t batch) {
  for (std::int64_t p = 0; p < panels_of(batch); ++p) {
    unsigned missing = 0;
    const unsigned active = active_lanes(batch, p);
    for (std::int64_t j = 0; j < units; ++j) {
      missing |= active & ~(unsigned{x.plus[p * units + j]} | x.minus[p * units + j]);
    }
    if (missing != 0) return false;
  }
  return true;
}

/// Receivers summed side by side, each for a whole panel, so that a weight is loaded once: as many as half
/// the registers hold, but enough to share the making of the lanes' masks.
template <class T>
constexpr int exact_tile = registers / 2 / narrow_strips<T> < 4 ? 4 : registers / 2 / narrow_strips<T>;

/// q points at the tile's first receiver in row 0; i counts strips within receivers. A receiver of the
/// padding is summed, but not stored.
template <class T, bool signs, std::size_t... i>
[[gnu::always_inline]] inline void exact_tile_sums(DenseWeight<const std::int32_t> w, const std::int32_t* q,
                                                   const Mask* plus, const Mask* minus,
                                                   std::int64_t receivers, T* h, std::index_sequence<i...>) {
  using U = std::make_unsigned_t<T>;
  constexpr int parts = narrow_strips<T>;
  typedef std::int32_t Row __attribute__((vector_size(exact_tile<T> * sizeof(std::int32_t))));
  typedef U Total __attribute__((vector_size(exact_tile<T> * sizeof(U))));
  Narrow<U> sum[sizeof...(i)] = {};
  Total total = {};
  for (std::int64_t j = 0; j < w.senders; ++j, q += w.stride) {
    const unsigned up = plus[j];
    ((sum[i] = add_where(sum[i], strip_of<Narrow<U>>(up, i % parts), spread<Narrow<U>>(q[i / parts]))), ...);
    if constexpr (signs) {
      Row row;
      __builtin_memcpy(&row, q, sizeof row);
      total += __builtin_convertvector(row, Total);
    } else {
      const unsigned down = minus[j];
      ((sum[i] =
            subtract_where(sum[i], strip_of<Narrow<U>>(down, i % parts), spread<Narrow<U>>(q[i / parts]))),
       ...);
    }
  }
  if constexpr (signs) ((sum[i] = sum[i] + sum[i] - total[i / parts]), ...);
  ((static_cast<std::int64_t>(i) / parts < receivers ? store(h + i * narrow_width<T>, sum[i]) : void()), ...);
}

template <class T, bool signs>
void exact_dense_of(DenseWeight<const std::int32_t> w, SignsIn x, std::int64_t panels, T* h) {
  constexpr auto tile = std::make_index_sequence<exact_tile<T> * narrow_strips<T>>();
  // A tile's columns of q stay in the first cache from panel to panel.
  for (std::int64_t k = 0; k < w.receivers; k += exact_tile<T>) {
    for (std::int64_t p = 0; p < panels; ++p) {
      exact_tile_sums<T, signs>(w, w.entries + k, x.plus + p * w.senders, x.minus + p * w.senders,
                                w.receivers - k, h + (p * w.receivers + k) * lanes, tile);
    }
  }
}

template <class T>
void exact_dense(DenseWeight<const std::int32_t> q, SignsIn x, std::int64_t batch, T* h) {
  if (all_signs(x, q.senders, batch)) return exact_dense_of<T, true>(q, x, panels_of(batch), h);
  exact_dense_of<T, false>(q, x, panels_of(batch), h);
}

template <class T, bool signs>
void exact_sparse_of(SparseWeight<const std::int32_t> q, SignsIn x, std::int64_t panels, T* h) {
  using U = std::make_unsigned_t<T>;
  for (std::int64_t p = 0; p < panels; ++p) {
    const Mask* plus = x.plus + p * q.senders;
    const Mask* minus = x.minus + p * q.senders;
    for (std::int64_t k = 0; k < q.receivers; ++k, h += lanes) {
      for (int strip = 0; strip < strips<T>; ++strip) {
        Field<T> sum{}, total{};
        for (std::int32_t e = q.offsets[k]; e < q.offsets[k + 1]; ++e) {
          const std::int32_t j = q.sender[e];
          const Field<T> weight = spread<Field<T>>(q.entries[e]);
          sum = add_where(sum, strip_of<Field<T>>(plus[j], strip), weight);
          total = signs ? total + weight : add_where(total, strip_of<Field<T>>(minus[j], strip), weight);
        }
        store(h + strip * width<U>, signs ? sum + sum - total : sum - total);
      }
    }
  }
}

template <class T>
void exact_sparse(SparseWeight<const std::int32_t> q, SignsIn x, std::int64_t batch, T* h) {
  if (all_signs(x, q.senders, batch)) return exact_sparse_of<T, true>(q, x, panels_of(batch), h);
  exact_sparse_of<T, false>(q, x, panels_of(batch), h);
}

}  // namespace
}  // namespace relaxon
