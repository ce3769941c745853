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

Changes count_changes(SignsIn from, SignsIn to, std::int64_t n) {
  constexpr std::int64_t block = sizeof(std::uint64_t) / sizeof(Mask);
  const auto word = [](const Mask* masks) {
    std::uint64_t w;
    __builtin_memcpy(&w, masks, sizeof w);
    return w;
  };
  Changes changes{0, 0};
  const auto add = [&](std::uint64_t differing) {
    changes.samples += __builtin_popcountll(differing);
    // The top bit of each mask that isn't 0.
    constexpr std::uint64_t rest = 0x7fff7fff7fff7fffull;
    changes.units += __builtin_popcountll((((differing & rest) + rest) | differing) & ~rest);
  };
  std::int64_t i = 0;
  for (; i + block <= n; i += block) {
    const std::uint64_t differing =
        (word(from.plus + i) ^ word(to.plus + i)) | (word(from.minus + i) ^ word(to.minus + i));
    if (differing != 0) add(differing);
  }
  for (; i < n; ++i) add(static_cast<unsigned>((from.plus[i] ^ to.plus[i]) | (from.minus[i] ^ to.minus[i])));
  return changes;
}

/// Lanes up to which a sender's move is cheaper one lane at a time than a register at a time.
constexpr int few_lanes = 2;

/// h += factor * q in the lanes that rise, - in those that fall, for every receiver of one sender.
template <class T, int factor>
[[gnu::always_inline]] inline void advance_receivers(const std::int32_t* q, SenderIndex rows, std::int64_t j,
                                                     Moves moves, T* h) {
  using U = std::make_unsigned_t<T>;
  const std::int32_t begin = rows.first[j], end = rows.last[j];
  unsigned moving = moves.up | moves.down;
  if (__builtin_popcount(moving) <= few_lanes) {
    for (; moving != 0; moving &= moving - 1) {
      const int lane = __builtin_ctz(moving);
      const std::int32_t amount = moves.up >> lane & 1 ? factor : -factor;
      for (std::int32_t e = begin; e < end; ++e) {
        T& to = h[rows.receiver[e] * lanes + lane];
        const U change =
            static_cast<U>(static_cast<T>(q[rows.entry[e]])) * static_cast<U>(static_cast<T>(amount));
        to = static_cast<T>(static_cast<U>(to) + change);
      }
    }
    return;
  }
  using V = Field<T>;
  for (int strip = 0; strip < strips<T>; ++strip, h += width<T>) {
    const LaneSet<V> up = strip_of<V>(moves.up, strip), down = strip_of<V>(moves.down, strip);
    for (std::int32_t e = begin; e < end; ++e) {
      T* to = h + rows.receiver[e] * lanes;
      const V amount = spread<V>(q[rows.entry[e]]) * factor;
      store(to, add_where(add_where(load<U>(to), up, amount), down, V{} - amount));
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
