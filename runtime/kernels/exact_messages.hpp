// Messages into exact fields: sums of q over the lanes that are +1, less those that are -1.
#pragma once

#include <type_traits>
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

/// Whether every active lane of some units is +1 or -1. The message is then twice the sum over the lanes that
/// are +1, less the sum over all senders: half the additions.
inline bool all_signs(SignsIn x, Units units, std::int64_t batch) {
  for (std::int64_t p = 0; p < panels_of(batch); ++p) {
    unsigned missing = 0;
    const unsigned active = active_lanes(batch, p);
    for (std::int64_t i = p * units.count + units.begin; i < p * units.count + units.end; ++i) {
      missing |= active & ~(unsigned{x.plus[i]} | x.minus[i]);
    }
    if (missing != 0) return false;
  }
  return true;
}

/// One strip of lanes of some columns, shortest first, side by side, in some panels. With a base, on top of
/// it.
template <class T, bool signs, std::size_t... c, std::size_t... p>
[[gnu::always_inline]] inline void exact_columns(SparseWeight<const std::int32_t> q, const Mask* plus,
                                                 const Mask* minus, int strip, const std::int32_t* column,
                                                 const T* base, T* h, std::index_sequence<c...>,
                                                 std::index_sequence<p...>) {
  const std::int32_t* entry[] = {q.entries + q.offsets[column[c]]...};
  const std::int32_t* sender[] = {q.sender + q.offsets[column[c]]...};
  const std::int32_t length[] = {q.offsets[column[c] + 1] - q.offsets[column[c]]...};
  // Of all senders (the same in every panel), or of those that are -1.
  constexpr std::size_t totals = signs ? 1 : sizeof...(p);
  Field<T> sum[sizeof...(c)][sizeof...(p)] = {}, total[sizeof...(c)][totals] = {};
  const auto add = [&](std::size_t which, std::int32_t i) {
    const std::int64_t j = sender[which][i];
    const Field<T> weight = spread<Field<T>>(entry[which][i]);
    const auto where = [&](const Mask* plane, std::size_t panel) {
      return strip_of<Field<T>>(plane[static_cast<std::int64_t>(panel) * q.senders + j], strip);
    };
    ((sum[which][p] = add_where(sum[which][p], where(plus, p), weight)), ...);
    if constexpr (signs) {
      total[which][0] += weight;
    } else {
      ((total[which][p] = add_where(total[which][p], where(minus, p), weight)), ...);
    }
  };
  std::int32_t i = 0;
  for (; i < length[0]; ++i) (add(c, i), ...);
  const auto finish = [&](std::size_t which) {
    for (std::int32_t e = i; e < length[which]; ++e) add(which, e);
    const auto finish_panel = [&](std::size_t panel) {
      const Field<T> own = sum[which][panel];
      Field<T> field = signs ? own + own - total[which][0] : own - total[which][signs ? 0 : panel];
      const std::int64_t at = (static_cast<std::int64_t>(panel) * q.receivers + column[which]) * lanes;
      if (base) field = field + (Field<T>)load<std::make_unsigned_t<T>>(base + at);
      store(h + at, field);
    };
    (finish_panel(p), ...);
  };
  (finish(c), ...);
}

/// All columns in some panels.
template <class T, bool signs, std::size_t panels>
void exact_panels(SparseWeight<const std::int32_t> q, const Mask* plus, const Mask* minus, const T* base,
                  T* h) {
  constexpr auto each = std::make_index_sequence<panels>();
  for (int strip = 0; strip < strips<T>; ++strip) {
    T* to = h + strip * width<T>;
    const T* from = base ? base + strip * width<T> : nullptr;
    const auto next = [&](std::int64_t i, auto columns) __attribute__((always_inline)) {
      exact_columns<T, signs>(q, plus, minus, strip, q.order + i, from, to, columns, each);
    };
    std::int64_t i = q.begin;
    for (; i + 4 <= q.end; i += 4) next(i, std::make_index_sequence<4>());
    for (; i < q.end; ++i) next(i, std::make_index_sequence<1>());
  }
}

template <class T, bool signs>
void exact_sparse_of(SparseWeight<const std::int32_t> q, SignsIn x, std::int64_t panels, const T* base,
                     T* h) {
  std::int64_t p = 0;
  const auto next = [&]<std::size_t count>(std::integral_constant<std::size_t, count>) {
    const std::int64_t at = p * q.receivers * lanes;
    exact_panels<T, signs, count>(q, x.plus + p * q.senders, x.minus + p * q.senders,
                                  base ? base + at : nullptr, h + at);
    p += count;
  };
  while (p + panels_together <= panels) next(std::integral_constant<std::size_t, panels_together>());
  while (p < panels) next(std::integral_constant<std::size_t, 1>());
}

template <class T>
void exact_sparse(SparseWeight<const std::int32_t> q, SignsIn x, std::int64_t batch, const T* base, T* h) {
  if (all_signs(x, q.senders, batch)) return exact_sparse_of<T, true>(q, x, panels_of(batch), base, h);
  exact_sparse_of<T, false>(q, x, panels_of(batch), base, h);
}

}  // namespace
}  // namespace relaxon
