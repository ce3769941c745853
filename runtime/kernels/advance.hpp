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

/// Lanes in which a unit differs.
[[gnu::always_inline]] inline unsigned differing_lanes_of(SignsIn from, SignsIn to, std::int64_t i) {
  return static_cast<unsigned>((from.plus[i] ^ to.plus[i]) | (from.minus[i] ^ to.minus[i]));
}

/// Lanes in which each of a register of masks' units differs.
[[gnu::always_inline]] inline Words differing_lanes(SignsIn from, SignsIn to, std::int64_t i) {
  return (widen(from.plus + i) ^ widen(to.plus + i)) | (widen(from.minus + i) ^ widen(to.minus + i));
}

Changes count_changes(SignsIn from, SignsIn to, std::int64_t n) {
  Words samples{}, units{};
  std::int64_t i = 0;
  for (; i + words <= n; i += words) {
    const Words differing = differing_lanes(from, to, i);
    samples = samples + popcount(differing);
    units = units - (Words)(differing != 0);
  }
  Changes changes{0, 0};
  for (int word = 0; word < words; ++word) {
    changes.samples += samples[word];
    changes.units += units[word];
  }
  for (; i < n; ++i) {
    const unsigned differing = differing_lanes_of(from, to, i);
    changes.samples += __builtin_popcount(differing);
    changes.units += differing != 0;
  }
  return changes;
}

/// h += factor * q in the lanes that rise, - in those that fall, for every receiver of one sender.
template <class T, int factor>
[[gnu::always_inline]] inline void advance_receivers(const std::int32_t* q, SenderIndex rows, std::int64_t j,
                                                     Moves moves, T* h) {
  using U = std::make_unsigned_t<T>;
  using V = Field<T>;
  const std::int32_t begin = rows.first[j], end = rows.last[j];
  for (int strip = 0; strip < strips<T>; ++strip, h += width<T>) {
    const LaneSet<V> up = strip_of<V>(moves.up, strip), down = strip_of<V>(moves.down, strip);
    for (std::int32_t e = begin; e < end; ++e) {
      T* to = h + rows.receiver[e] * lanes;
      const V amount = spread<V>(q[rows.entry[e]]) * factor;
      store(to, add_where(add_where(load<U>(to), up, amount), down, V{} - amount));
    }
  }
}

/// A change of some senders: whoever changed is listed before anything moves, because which do is anybody's
/// guess. Few lanes of a sender move one at a time, more of them by the register.
template <class T>
class SparseAdvance {
 public:
  SparseAdvance(const std::int32_t* q, SenderIndex rows, T* h) : q_(q), rows_(rows), h_(h) {}

  /// Senders 0 .. count - 1 <= block, of a panel; the first is `first` in the index.
  void run(SignsIn from, SignsIn to, std::int64_t first, std::int64_t count) {
    const int changed = list(from, to, count);
    int moving = 0;
    for (int i = 0; i < changed; ++i) {
      const std::int64_t j = senders_[i];
      const unsigned lanes = differing_lanes_of(from, to, j);
      if (__builtin_popcount(lanes) > few_lanes) {
        const Change change = change_of(from, to, j);
        if (change.twice.any()) advance_receivers<T, 2>(q_, rows_, first + j, change.twice, h_);
        if (change.once.any()) advance_receivers<T, 1>(q_, rows_, first + j, change.once, h_);
        continue;
      }
      unsigned left = lanes;
      do {
        const int lane = __builtin_ctz(left);
        moves_[moving++] = {rows_.first[first + j], rows_.last[first + j], lane,
                            value(to, j, lane) - value(from, j, lane)};
        left &= left - 1;
      } while (left != 0);
    }
    for (int i = 0; i < moving; ++i) move(moves_[i]);
  }

  static constexpr std::int64_t block = 512;

 private:
  /// Lanes up to which a sender's move is cheaper one lane at a time than a register at a time.
  static constexpr int few_lanes = 2;

  /// What a sender's entries first .. last - 1 do to one sample: add q as often as `amount` says.
  struct LaneMove {
    std::int32_t first, last, lane, amount;
  };

  static int value(SignsIn x, std::int64_t j, int lane) {
    return (x.plus[j] >> lane & 1) - (x.minus[j] >> lane & 1);
  }

  int list(SignsIn from, SignsIn to, std::int64_t count) {
    int changed = 0;
    std::int64_t j = 0;
    for (; j + words <= count; j += words)
      changed +=
          list_lanes(differing_lanes(from, to, j) != 0, static_cast<std::int32_t>(j), senders_ + changed);
    for (; j < count; ++j) {
      senders_[changed] = static_cast<std::int32_t>(j);
      changed += differing_lanes_of(from, to, j) != 0;
    }
    return changed;
  }

  [[gnu::always_inline]] void move(LaneMove m) const {
    using U = std::make_unsigned_t<T>;
    T* h = h_ + m.lane;
    const auto amount = static_cast<U>(static_cast<T>(m.amount));
    for (std::int32_t e = m.first; e < m.last; ++e) {
      T& to = h[rows_.receiver[e] * lanes];
      to = static_cast<T>(static_cast<U>(to) + static_cast<U>(static_cast<T>(q_[rows_.entry[e]])) * amount);
    }
  }

  const std::int32_t* q_;
  SenderIndex rows_;
  T* h_;
  std::int32_t senders_[block + words];  // a register is written at a time
  LaneMove moves_[block * few_lanes];
};

template <class T>
void advance_sparse(SparseWeight<const std::int32_t> q, SenderIndex rows, SignsIn from, SignsIn to,
                    std::int64_t panels, T* h) {
  for (std::int64_t p = 0; p < panels; ++p, h += q.receivers * lanes) {
    SparseAdvance<T> advance(q.entries, rows, h);
    for (std::int64_t first = 0; first < q.senders; first += advance.block) {
      const std::int64_t i = p * q.senders + first, left = q.senders - first;
      advance.run({from.plus + i, from.minus + i}, {to.plus + i, to.minus + i}, first,
                  left < advance.block ? left : advance.block);
    }
  }
}

}  // namespace
}  // namespace relaxon
