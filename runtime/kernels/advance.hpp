// Messages carried from one state to the next: only senders that changed are touched.
#pragma once

#include "runtime/kernels/exact_messages.hpp"

namespace relaxon {
namespace {

/// A sender's part in a change: q is added in the lanes of `up` and taken away in those of `down`.
struct Moves {
  Mask up, down;
  bool any() const { return (up | down) != 0; }
};

/// A change from -1 to +1 is one step of `plus` up and one of `minus` down, each worth q.
struct Change {
  Moves twice;  // lanes that move by +-2
  Moves once;   // lanes that move by +-1
};

[[gnu::always_inline]] inline Change change_of(SignsIn from, SignsIn to, std::int64_t i) {
  const unsigned gained = to.plus[i] & ~from.plus[i], lost = from.plus[i] & ~to.plus[i];
  const unsigned risen = from.minus[i] & ~to.minus[i], fallen = to.minus[i] & ~from.minus[i];
  return {{static_cast<Mask>(gained & risen), static_cast<Mask>(lost & fallen)},
          {static_cast<Mask>(gained ^ risen), static_cast<Mask>(lost ^ fallen)}};
}

[[gnu::always_inline]] inline bool differs(SignsIn a, SignsIn b, std::int64_t i) {
  return a.plus[i] != b.plus[i] || a.minus[i] != b.minus[i];
}

/// The first sender from `i` on, below `end`, that changed, or `end`.
inline std::int64_t next_change(SignsIn from, SignsIn to, std::int64_t i, std::int64_t end) {
  constexpr std::int64_t block = register_bytes / static_cast<std::int64_t>(sizeof(Mask));
  while (i < end && i % block != 0 && !differs(from, to, i)) ++i;
  if (i >= end || i % block != 0) return i;
  for (; i + block <= end; i += block) {
    const Vector<std::uint64_t> change =
        (load<std::uint64_t>(from.plus + i) ^ load<std::uint64_t>(to.plus + i)) |
        (load<std::uint64_t>(from.minus + i) ^ load<std::uint64_t>(to.minus + i));
    std::uint64_t any = 0;
    for (int word = 0; word < width<std::uint64_t>; ++word) any |= change[word];
    if (any != 0) break;
  }
  while (i < end && !differs(from, to, i)) ++i;
  return i;
}

/// Rows of q to add or take away, each in some lanes of one strip.
struct RowList {
  static constexpr int capacity = 128;
  int count = 0;
  const std::int32_t* row[capacity];
  Mask where[capacity];

  void append(const std::int32_t* r, unsigned lanes_with_it) {
    row[count] = r;
    where[count] = static_cast<Mask>(lanes_with_it);
    count += lanes_with_it != 0;
  }
};

/// What a stretch of senders adds and takes away, twice or once. A sender adds at most one row to each list.
struct RowLists {
  RowList twice_up, twice_down, once_up, once_down;

  void append(const std::int32_t* row, const Change& change, int shift, unsigned strip) {
    twice_up.append(row, change.twice.up >> shift & strip);
    twice_down.append(row, change.twice.down >> shift & strip);
    once_up.append(row, change.once.up >> shift & strip);
    once_down.append(row, change.once.down >> shift & strip);
  }
};

template <bool negative, class V, std::size_t... r>
[[gnu::always_inline]] inline void add_rows(const RowList& list, std::int64_t first, V* sum,
                                            std::index_sequence<r...>) {
  for (int i = 0; i < list.count; ++i) {
    const std::int32_t* q = list.row[i] + first;
    const LaneSet<V> where = lanes_of<V>(list.where[i]);
    if constexpr (negative) {
      ((sum[r] = subtract_where(sum[r], where, spread<V>(q[r]))), ...);
    } else {
      ((sum[r] = add_where(sum[r], where, spread<V>(q[r]))), ...);
    }
  }
}

/// h += the rows of `lists`, for a tile of receivers from `first`, of which `receivers` exist; one strip of
/// h.
template <class T, std::size_t... r>
[[gnu::always_inline]] inline void advance_tile(const RowLists& lists, std::int64_t first,
                                                std::int64_t receivers, T* h,
                                                std::index_sequence<r...> tile) {
  using U = std::make_unsigned_t<T>;
  Narrow<U> sum[sizeof...(r)] = {};
  add_rows<false>(lists.twice_up, first, sum, tile);
  add_rows<true>(lists.twice_down, first, sum, tile);
  ((sum[r] = sum[r] + sum[r]), ...);
  add_rows<false>(lists.once_up, first, sum, tile);
  add_rows<true>(lists.once_down, first, sum, tile);
  const auto add = [&](std::int64_t k, Narrow<U> x) {
    if (k < receivers) store(h + k * lanes, load_narrow<U>(h + k * lanes) + x);
  };
  (add(static_cast<std::int64_t>(r), sum[r]), ...);
}

/// One strip of the panel whose first sender is `begin`.
template <class T>
void advance_strip(DenseWeight<const std::int32_t> q, SignsIn from, SignsIn to, std::int64_t begin, int strip,
                   T* h) {
  constexpr int tile = registers / 2;
  const std::int64_t end = begin + q.senders;
  std::int64_t i = next_change(from, to, begin, end);
  while (i < end) {
    RowLists lists;
    for (int n = 0; n < RowList::capacity && i < end; ++n, i = next_change(from, to, i + 1, end)) {
      lists.append(q.entries + (i - begin) * q.stride, change_of(from, to, i), strip * narrow_width<T>,
                   (1u << narrow_width<T>)-1u);
    }
    for (std::int64_t k = 0; k < q.receivers; k += tile) {
      advance_tile(lists, k, q.receivers - k, h + k * lanes, std::make_index_sequence<tile>());
    }
  }
}

template <class T>
void advance_dense(DenseWeight<const std::int32_t> q, SignsIn from, SignsIn to, std::int64_t panels, T* h) {
  for (std::int64_t p = 0; p < panels; ++p) {
    for (int strip = 0; strip < narrow_strips<T>; ++strip) {
      advance_strip(q, from, to, p * q.senders, strip, h + p * q.receivers * lanes + strip * narrow_width<T>);
    }
  }
}

/// h += factor * q in the lanes that rise, - in those that fall, for every receiver of one sender.
template <class T, int factor>
[[gnu::always_inline]] inline void advance_receivers(const std::int32_t* q, SenderIndex rows, std::int64_t j,
                                                     Moves moves, T* h) {
  using V = Narrow<std::make_unsigned_t<T>>;
  for (int strip = 0; strip < narrow_strips<T>; ++strip, h += narrow_width<T>) {
    const int shift = strip * narrow_width<T>;
    if (((moves.up | moves.down) >> shift & ((1 << narrow_width<T>)-1)) == 0) continue;
    const LaneSet<V> up = lanes_of<V>(moves.up >> shift), down = lanes_of<V>(moves.down >> shift);
    for (std::int32_t e = rows.offsets[j]; e < rows.offsets[j + 1]; ++e) {
      T* to = h + rows.receiver[e] * lanes;
      const V amount = spread<V>(q[rows.entry[e]]) * factor;
      store(to,
            subtract_where(add_where(load_narrow<std::make_unsigned_t<T>>(to), up, amount), down, amount));
    }
  }
}

template <class T>
void advance_sparse(SparseWeight<const std::int32_t> q, SenderIndex rows, SignsIn from, SignsIn to,
                    std::int64_t panels, T* h) {
  for (std::int64_t p = 0; p < panels; ++p, h += q.receivers * lanes) {
    const std::int64_t begin = p * q.senders, end = begin + q.senders;
    for (std::int64_t i = next_change(from, to, begin, end); i < end; i = next_change(from, to, i + 1, end)) {
      const Change change = change_of(from, to, i);
      if (change.twice.any()) advance_receivers<T, 2>(q.entries, rows, i - begin, change.twice, h);
      if (change.once.any()) advance_receivers<T, 1>(q.entries, rows, i - begin, change.once, h);
    }
  }
}

}  // namespace
}  // namespace relaxon
