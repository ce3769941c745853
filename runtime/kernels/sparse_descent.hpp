// Plain gradient descent of sparse weights. Most columns have no error and decay alone, and which do is
// anybody's guess; so everything decays in one pass that asks nothing, and then the columns with an error
// move.
#pragma once

#include <optional>

#include "runtime/kernels/optimizer_step.hpp"
#include "runtime/kernels/picked_bytes.hpp"
#include "runtime/kernels/sparse_correlation.hpp"

namespace relaxon {
namespace {

/// sgd with a decay in 0 .. 1, under which nothing that decays grows.
template <Arithmetic how>
class SparseDescent {
  using Moved = Progress<StepRule::sgd, true>;

 public:
  explicit SparseDescent(const SparseArguments& arguments) : in_(arguments), correlation_(arguments) {}

  UpdateReport run() {
    const SparseWeight<float>& weight = in_.weight;
    while (fixed_ < in_.fixed.size() && fixed_at(fixed_) < weight.offsets[weight.begin]) ++fixed_;
    if (one_panel_of_bytes() && in_.segments != nullptr && in_.fixed.empty() && PickedBytes::possible)
      picked_.emplace(in_.u.bytes, weight.senders, weight.offsets, *in_.segments, in_.scratch);
    for (std::int64_t first = weight.begin; first < weight.end; first += block) {
      const std::int64_t last = first + block < weight.end ? first + block : weight.end;
      if (in_.scalars[1] > 0) decay(weight.offsets[first], weight.offsets[last]);
      find_errors(first, last);
      columns_with_errors();
    }
    return progress_.report();
  }

 private:
  /// Columns whose entries stay in a cache between their decay and their step.
  static constexpr std::int64_t block = 4 * unit_block;

  void columns_with_errors() {
    if (one_panel_of_bytes()) {
      const auto panels = [&](std::int64_t k) { return panel_sums(k); };
      if (picked_) {
        picked_columns<1>(lists_[1]);
        picked_columns<2>(lists_[2]);
        picked_columns<3>(lists_[3]);
        picked_columns<4>(lists_[4]);
      } else {
        columns(lists_[1], [&](std::int64_t k) { return quad_sums(k); });
      }
      columns(lists_[0], panels);
    } else if (how == Arithmetic::signs && in_.panels == 1 && !correlation_.zeros()) {
      columns(lists_[0], [&](std::int64_t k) { return sign_sums(k); });
    } else {
      columns(lists_[0], [&](std::int64_t k) {
        return [&, k](const std::int32_t* senders) { return correlation_.at(k, senders); };
      });
    }
  }

  struct List {
    int count = 0;
    std::int32_t column[block + words];  // a register is written at a time
  };

  std::int64_t fixed_at(std::size_t i) const { return in_.fixed.data()[i]; }

  /// Decay of the entries from .. to - 1. Those that are fixed are put back.
  void decay(std::int64_t from, std::int64_t to) {
    float* w = in_.weight.entries;
    const Floats factor = broadcast<float>(-in_.scalars[1]);
    while (from < to) {
      constexpr int capacity = 64;
      float kept[capacity];
      int count = 0;
      const std::size_t first = fixed_;
      for (; count < capacity && fixed_ < in_.fixed.size() && fixed_at(fixed_) < to; ++fixed_, ++count)
        kept[count] = w[fixed_at(fixed_)];
      const std::int64_t stop = count == capacity ? fixed_at(fixed_ - 1) + 1 : to;
      for (; from + words <= stop; from += words) {
        const Floats x = load<float>(w + from);
        store(w + from, fma(factor, x, x));
      }
      if (from < stop) {
        const int rest = static_cast<int>(stop - from);
        const Floats x = load_first(w + from, rest);
        store_first(w + from, fma(factor, x, x), rest);
      }
      from = stop;
      for (int i = 0; i < count; ++i) w[fixed_at(first + static_cast<std::size_t>(i))] = kept[i];
    }
  }

  bool one_panel_of_bytes() const { return how == Arithmetic::bytes && in_.panels == 1; }

  /// Lists the columns with an error: of bytes in the only panel by how many samples err where bytes can be
  /// picked, else those with errors in one group of four neighbouring samples apart.
  void find_errors(std::int64_t first, std::int64_t last) {
    for (List& list : lists_) list.count = 0;
    for (std::int64_t k = first; k < last; k += words) {
      const Words lanes = erring_lanes_from(k, last);
      if (!one_panel_of_bytes()) {
        append(lists_[0], k, lanes != 0);
        continue;
      }
      const Words parts =
          popcount(picked_ ? lanes : (lanes | lanes >> 1 | lanes >> 2 | lanes >> 3) & 0x1111u);
      const std::uint32_t apart = picked_ ? SenderSegments::most_samples : 1;
      append(lists_[0], k, parts > apart);
      for (std::uint32_t n = 1; n <= apart; ++n) append(lists_[n], k, parts == n);
    }
  }

  /// The lanes in which each of a register of columns errs, none from column `last` on.
  [[gnu::always_inline]] Words erring_lanes_from(std::int64_t k, std::int64_t last) const {
    if (in_.panels == 1 && in_.v.kind != Errors::Kind::real && k + words <= last)
      return widen(in_.v.signs.plus + k) | widen(in_.v.signs.minus + k);
    std::uint32_t lanes[words] = {};
    for (int i = 0; i < words && k + i < last; ++i) lanes[i] = correlation_.erring(k + i);
    return load<std::uint32_t>(lanes);
  }

  static void append(List& list, std::int64_t k, Ints which) {
    list.count += list_lanes(which, static_cast<std::int32_t>(k), list.column + list.count);
  }

  /// 1 if the lowest bit of `bits` is one of `plus`, else -1: without a branch, which would be anybody's
  /// guess.
  static float sign_of(unsigned plus, unsigned bits) {
    const unsigned minus = (plus >> lowest_bit(bits) & 1u) ^ 1u, one = 0x3f800000u | minus << 31;
    float sign;
    __builtin_memcpy(&sign, &one, sizeof sign);
    return sign;
  }

  static int lowest_bit(unsigned bits) { return __builtin_ctz(bits | 0x10000u); }

  /// S of a register of senders of column k, which errs in one quad.
  auto quad_sums(std::int64_t k) const {
    const unsigned plus = in_.v.signs.plus[k], minus = in_.v.signs.minus[k];
    const int first = lowest_bit(plus | minus) & ~3;
    return [bytes = in_.u.bytes + first, v = broadcast(signed_bytes(plus >> first, minus >> first))](
               const std::int32_t* senders) { return to_floats(dot4(Words{}, quads_at(bytes, senders), v)); };
  }

  /// Of senders wherever it errs.
  auto panel_sums(std::int64_t k) const {
    return [bytes = in_.u.bytes, v = signed_panel(in_.v.signs.plus[k], in_.v.signs.minus[k])](
               const std::int32_t* senders) { return to_floats(panel_dots(bytes, senders, v)); };
  }

  /// S of a register of senders of column k, none of which is 0 where there is an error.
  auto sign_sums(std::int64_t k) const {
    const std::uint32_t plus = in_.v.signs.plus[k], both = plus | in_.v.signs.minus[k];
    return [masks = in_.u.signs.plus, plus = broadcast(plus), both = broadcast(both),
            count = broadcast(static_cast<float>(__builtin_popcount(both)))](const std::int32_t* senders) {
      return sign_products(both, plus, masks_at(masks, senders), count);
    };
  }

  /// The steps of the listed columns, which err in so many samples.
  template <int samples>
  void picked_columns(const List& list) {
    const SparseWeight<float> weight = in_.weight;
    const Floats alpha = broadcast(in_.scalars[0]);
    const PickedBytes picked = *picked_;
    Moved progress = progress_;
    for (int i = 0; i < list.count; ++i) {
      const std::int64_t k = list.column[i];
      const unsigned plus = in_.v.signs.plus[k];
      unsigned left = plus | in_.v.signs.minus[k];
      const std::uint8_t* from[samples];
      Floats signs[samples];
#pragma GCC unroll 4
      for (int n = 0; n < samples; ++n, left &= left - 1) {
        from[n] = picked.sample(lowest_bit(left));
        signs[n] = broadcast(sign_of(plus, left));
      }
      picked.pick(k, from);
      const auto sum = [&](std::int64_t e) __attribute__((always_inline)) {
        // Products and sums of so few bytes are exact.
        Floats s = bytes_to_floats(picked.picked(0) + e) * signs[0];
#pragma GCC unroll 4
        for (int n = 1; n < samples; ++n) s = fma(bytes_to_floats(picked.picked(n) + e), signs[n], s);
        return s;
      };
      column(weight, k, alpha, progress, sum, [](std::int64_t) { return lanes_of<Words>(~0u); });
    }
    progress_ = progress;
  }

  /// The steps of the listed columns; sums_of(k) is a function of a register of senders of column k. What the
  /// loops need is copied: of what others can see the compiler keeps nothing in registers.
  template <class Sums>
  [[gnu::always_inline]] void columns(const List& list, Sums sums_of) {
    const SparseWeight<float> weight = in_.weight;
    const Floats alpha = broadcast(in_.scalars[0]);
    const bool diagonal = !in_.fixed.empty();
    Moved progress = progress_;
    for (int i = 0; i < list.count; ++i) {
      const std::int64_t k = list.column[i];
      const auto sums = sums_of(k);
      const Senders register_or_more(weight, weight.offsets[k]);
      const std::int32_t* senders = register_or_more;
      const Ints own = broadcast(static_cast<std::int32_t>(k));
      const auto sum = [&](std::int64_t e) __attribute__((always_inline)) { return sums(senders + e); };
      const auto movable = [&](std::int64_t e) __attribute__((always_inline)) {
        return diagonal ? differing(load<std::int32_t>(senders + e), own) : lanes_of<Words>(~0u);
      };
      column(weight, k, alpha, progress, sum, movable);
    }
    progress_ = progress;
  }

  /// The step of a column; sum(e) is S of the register of its entries from the e-th on, movable(e) which of
  /// them are free. The last entries are moved together with some before them, as those were, to fill a
  /// register: a load of the next column would wait for a masked store.
  template <class Sum, class Movable>
  [[gnu::always_inline]] static void column(const SparseWeight<float>& weight, std::int64_t k, Floats alpha,
                                            Moved& progress, Sum sum, Movable movable) {
    const std::int64_t begin = weight.offsets[k], length = weight.offsets[k + 1] - begin;
    float* entries = weight.entries + begin;
    const auto moved = [&](Floats w, std::int64_t e) __attribute__((always_inline)) {
      const Floats s = sum(e);
      return fma_where(static_cast<LaneSet<Words>>(is_not_zero(s) & movable(e)), alpha, s, w);
    };
    if (length < words) {
      const int count = static_cast<int>(length);
      const Floats w = load_first(entries, count);
      const Floats next = select(lanes_of<Words>((1u << count) - 1u), moved(w, 0), Floats{});
      progress.note(w, next, Floats{});
      return store_first(entries, next, count);
    }
    const auto move = [&](Floats w, std::int64_t e) __attribute__((always_inline)) {
      const Floats next = moved(w, e);
      progress.note(w, next, Floats{});
      store(entries + e, next);
    };
    const Floats last = read_once(entries + length - words);
    std::int64_t e = 0;
    for (; e + words <= length; e += words) move(read_once(entries + e), e);
    if (e < length) move(last, length - words);
  }

  const SparseArguments& in_;
  SparseCorrelation<how> correlation_;
  Moved progress_;
  std::optional<PickedBytes> picked_;
  // Columns with errors in so many samples, or one group; 0: all others that err.
  List lists_[SenderSegments::most_samples + 1];
  std::size_t fixed_ = 0;  // the first fixed entry that has yet to decay
};

}  // namespace
}  // namespace relaxon
