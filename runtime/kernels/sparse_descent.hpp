// Plain gradient descent of sparse weights. Most columns have no error and decay alone, and which do is
// anybody's guess; so everything decays in one pass that asks nothing, and then the columns with an error
// move.
#pragma once

#include "runtime/kernels/optimizer_step.hpp"
#include "runtime/kernels/sparse_correlation.hpp"

namespace relaxon {
namespace {

/// sgd with a decay in 0 .. 1, under which nothing that decays grows.
template <Arithmetic how>
class SparseDescent {
 public:
  explicit SparseDescent(const SparseArguments& arguments) : in_(arguments), correlation_(arguments) {}

  UpdateReport run() {
    const SparseWeight<float>& weight = in_.weight;
    while (fixed_ < in_.fixed.size() && fixed_at(fixed_) < weight.offsets[weight.begin]) ++fixed_;
    for (std::int64_t first = weight.begin; first < weight.end; first += block) {
      const std::int64_t last = first + block < weight.end ? first + block : weight.end;
      if (in_.scalars[1] > 0) decay(weight.offsets[first], weight.offsets[last]);
      find_errors(first, last);
      if (how == Arithmetic::bytes && in_.panels == 1) {
        columns(one_quad_, [&](std::int64_t k) { return quad_sums(k); });
        columns(erring_, [&](std::int64_t k) { return panel_sums(k); });
      } else if (how == Arithmetic::signs && in_.panels == 1 && !correlation_.zeros()) {
        columns(erring_, [&](std::int64_t k) { return sign_sums(k); });
      } else {
        columns(erring_, [&](std::int64_t k) {
          return [&, k](const std::int32_t* senders) { return correlation_.at(k, senders); };
        });
      }
    }
    return progress_.report();
  }

 private:
  /// Columns whose entries stay in a cache between their decay and their step.
  static constexpr std::int64_t block = 4 * unit_block;

  struct List {
    int count = 0;
    std::int32_t column[block];
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

  /// The columns with an error; of bytes those with errors in no more than four neighbouring samples of the
  /// only panel apart.
  void find_errors(std::int64_t first, std::int64_t last) {
    int single = 0, others = 0;
    for (std::int64_t k = first; k < last; ++k) {
      const unsigned lanes = correlation_.erring(k);
      const unsigned quad = 0xfu << (lowest_bit(lanes) & ~3);
      const bool one = how == Arithmetic::bytes && in_.panels == 1 && lanes != 0 && (lanes & ~quad) == 0;
      one_quad_.column[single] = erring_.column[others] = static_cast<std::int32_t>(k);
      single += one;
      others += lanes != 0 && !one;
    }
    one_quad_.count = single;
    erring_.count = others;
  }

  static int lowest_bit(unsigned bits) { return __builtin_ctz(bits | 0x10000u); }

  /// S of a register of senders of column k, which errs in one quad.
  auto quad_sums(std::int64_t k) const {
    const unsigned plus = in_.v.signs.plus[k], minus = in_.v.signs.minus[k];
    const int first = lowest_bit(plus | minus) & ~3;
    return [bytes = in_.u.bytes + first, v = broadcast(signed_bytes(plus >> first, minus >> first))](
               const std::int32_t* senders) { return to_floats(dot4(Words{}, quads_at(bytes, senders), v)); };
  }

  /// The same wherever it errs.
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

  /// The steps of the listed columns; sums_of(k) is a function of a register of senders of column k. What the
  /// loops need is copied: of what others can see the compiler keeps nothing in registers.
  template <class Sums>
  [[gnu::always_inline]] void columns(const List& list, Sums sums_of) {
    const Floats alpha = broadcast(in_.scalars[0]);
    const bool diagonal = !in_.fixed.empty();
    const SparseWeight<float> weight = in_.weight;
    Progress<StepRule::sgd> progress = progress_;
    for (int i = 0; i < list.count; ++i) {
      const std::int64_t k = list.column[i];
      const auto sums = sums_of(k);
      const Ints own = broadcast(diagonal ? static_cast<std::int32_t>(k) : -1);
      const auto moved = [&](Floats w, const std::int32_t* senders) {
        const Floats s = sums(senders);
        const auto stays = is_zero(s) | equal(load<std::int32_t>(senders), own);
        return select(static_cast<LaneSet<Words>>(stays), w, fma(alpha, s, w));
      };
      std::int64_t e = weight.offsets[k];
      const std::int64_t end = weight.offsets[k + 1];
      for (; e + words <= end; e += words) {
        const Floats w = load<float>(weight.entries + e), next = moved(w, weight.sender + e);
        progress.note(w, next, Floats{});
        store(weight.entries + e, next);
      }
      if (e == end) continue;
      const int rest = static_cast<int>(end - e);
      const auto exists = lanes_of<Words>((1u << rest) - 1u);
      const Floats w = load_first(weight.entries + e, rest);
      const Floats next = select(exists, moved(w, Senders(weight, e)), Floats{});
      progress.note(w, next, Floats{});
      store_first(weight.entries + e, next, rest);
    }
    progress_ = progress;
  }

  const SparseArguments& in_;
  SparseCorrelation<how> correlation_;
  Progress<StepRule::sgd> progress_;
  List erring_, one_quad_;
  std::size_t fixed_ = 0;  // the first fixed entry that has yet to decay
};

}  // namespace
}  // namespace relaxon
