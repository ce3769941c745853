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
        columns<false>(one_, [&](std::int64_t k) { return sample_sums<1>(k); });
        columns<false>(two_, [&](std::int64_t k) { return sample_sums<2>(k); });
      } else {
        columns<true>(one_, [&](std::int64_t k) { return quad_sums(k); });
        columns<true>(two_, panels);
      }
      columns<true>(more_, panels);
    } else if (how == Arithmetic::signs && in_.panels == 1 && !correlation_.zeros()) {
      columns<true>(more_, [&](std::int64_t k) { return sign_sums(k); });
    } else {
      columns<true>(more_, [&](std::int64_t k) {
        return [&, k](const std::int32_t* senders, std::int64_t) { return correlation_.at(k, senders); };
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

  /// Lists the columns with an error: of bytes in the only panel by the samples that err where bytes can be
  /// picked, else by groups of four neighbouring samples that do.
  void find_errors(std::int64_t first, std::int64_t last) {
    one_.count = two_.count = more_.count = 0;
    for (std::int64_t k = first; k < last; k += words) {
      const Words lanes = erring_lanes_from(k, last);
      Words spread = lanes;
      if (!one_panel_of_bytes()) {
        spread = Words{};
      } else if (!picked_) {
        spread = (lanes | lanes >> 1 | lanes >> 2 | lanes >> 3) & 0x1111u;
      }
      // Without the lowest bit once, and twice.
      const Words second = spread & (spread - 1u), third = second & (second - 1u);
      append(one_, k, (lanes != 0) & (spread != 0) & (second == 0));
      append(two_, k, (second != 0) & (third == 0));
      append(more_, k, one_panel_of_bytes() ? third != 0 : lanes != 0);
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

  static int lowest_bit(unsigned bits) { return __builtin_ctz(bits | 0x10000u); }

  /// S of a register of senders of column k, which errs in one quad.
  auto quad_sums(std::int64_t k) const {
    const unsigned plus = in_.v.signs.plus[k], minus = in_.v.signs.minus[k];
    const int first = lowest_bit(plus | minus) & ~3;
    return [bytes = in_.u.bytes + first, v = broadcast(signed_bytes(plus >> first, minus >> first))](
               const std::int32_t* senders, std::int64_t) {
      return to_floats(dot4(Words{}, quads_at(bytes, senders), v));
    };
  }

  /// The same where it errs in so many samples, whose bytes are picked.
  template <int samples>
  auto sample_sums(std::int64_t k) const {
    const unsigned plus = in_.v.signs.plus[k], both = plus | in_.v.signs.minus[k];
    const auto sign = [&](int lane) { return broadcast(plus >> lane & 1 ? 1.0f : -1.0f); };
    const int first = lowest_bit(both), second = samples == 2 ? lowest_bit(both & (both - 1)) : first;
    picked_->pick(k, first, picked_->column(0));
    if (samples == 2) picked_->pick(k, second, picked_->column(1));
    // Products and sums of so few bytes are exact.
    return [a = picked_->column(0), b = picked_->column(1), a_sign = sign(first), b_sign = sign(second)](
               const std::int32_t*, std::int64_t i) {
      const Floats s = bytes_to_floats(a + i) * a_sign;
      return samples == 1 ? s : fma(bytes_to_floats(b + i), b_sign, s);
    };
  }

  /// Of senders wherever it errs.
  auto panel_sums(std::int64_t k) const {
    return
        [bytes = in_.u.bytes, v = signed_panel(in_.v.signs.plus[k], in_.v.signs.minus[k])](
            const std::int32_t* senders, std::int64_t) { return to_floats(panel_dots(bytes, senders, v)); };
  }

  /// S of a register of senders of column k, none of which is 0 where there is an error.
  auto sign_sums(std::int64_t k) const {
    const std::uint32_t plus = in_.v.signs.plus[k], both = plus | in_.v.signs.minus[k];
    return [masks = in_.u.signs.plus, plus = broadcast(plus), both = broadcast(both),
            count = broadcast(static_cast<float>(__builtin_popcount(both)))](const std::int32_t* senders,
                                                                             std::int64_t) {
      return sign_products(both, plus, masks_at(masks, senders), count);
    };
  }

  /// The steps of the listed columns; sums_of(k) is a function of a register of senders of column k and of
  /// the first one's place in it. What the loops need is copied: of what others can see the compiler keeps
  /// nothing in registers.
  template <bool reads_senders, class Sums>
  [[gnu::always_inline]] void columns(const List& list, Sums sums_of) {
    const Floats alpha = broadcast(in_.scalars[0]);
    const bool diagonal = reads_senders && !in_.fixed.empty();
    const SparseWeight<float> weight = in_.weight;
    Moved progress = progress_;
    for (int i = 0; i < list.count; ++i) {
      const std::int64_t k = list.column[i];
      const auto sums = sums_of(k);
      const Ints own = broadcast(diagonal ? static_cast<std::int32_t>(k) : -1);
      std::int64_t e = weight.offsets[k];
      const std::int64_t begin = e, end = weight.offsets[k + 1];
      const auto moved = [&](Floats w, const std::int32_t* senders) {
        const Floats s = sums(senders, e - begin);
        auto moves = is_not_zero(s);
        if (diagonal)
          moves = static_cast<LaneSet<Words>>(moves & differing(load<std::int32_t>(senders), own));
        return fma_where(moves, alpha, s, w);
      };
      for (; e + words <= end; e += words) {
        const Floats w = load<float>(weight.entries + e), next = moved(w, weight.sender + e);
        progress.note(w, next, Floats{});
        store(weight.entries + e, next);
      }
      if (e == end) continue;
      const int rest = static_cast<int>(end - e);
      const auto exists = lanes_of<Words>((1u << rest) - 1u);
      const Floats w = load_first(weight.entries + e, rest);
      const Floats next =
          select(exists, reads_senders ? moved(w, Senders(weight, e)) : moved(w, weight.sender), Floats{});
      progress.note(w, next, Floats{});
      store_first(weight.entries + e, next, rest);
    }
    progress_ = progress;
  }

  const SparseArguments& in_;
  SparseCorrelation<how> correlation_;
  Moved progress_;
  std::optional<PickedBytes> picked_;
  List one_, two_, more_;  // columns with errors in one sample or group, in two, in more or any
  std::size_t fixed_ = 0;  // the first fixed entry that has yet to decay
};

}  // namespace
}  // namespace relaxon
