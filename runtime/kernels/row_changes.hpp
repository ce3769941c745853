// Changes of exact messages of dense weights, a sample at a time: rows of senders that moved are added or
// taken away.
#pragma once

#include "runtime/kernels/row_messages.hpp"

namespace relaxon {
namespace {

/// Bit i: the i-th of sixteen masks isn't 0.
[[gnu::always_inline]] inline unsigned masks_with_bits(const Mask* masks) {
  const auto none = [&](int i) {
    return _mm_cmpeq_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(masks + i)), _mm_setzero_si128());
  };
  return ~static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(none(0), none(8)))) & 0xffffu;
}

/// The senders of some blocks that move in each sample of a panel: a bit a sender.
class SampleMoves {
 public:
  explicit SampleMoves(std::int64_t receivers) : enough_(rows_near(receivers)) {}

  /// `count` senders from j on, which go from the masks at `from` to those at `to`.
  void note(const Mask* from, const Mask* to, std::int64_t j, std::int64_t count) {
    if (count == SenderBits::count) return note(from, to, j);
    Mask before[SenderBits::count] = {}, after[SenderBits::count] = {};
    for (std::int64_t i = 0; i < count; ++i) before[i] = from[i], after[i] = to[i];
    note(before, after, j);
  }
  /// Whether what was noted is to be added before there is more.
  bool full() const { return blocks_ == most_blocks || senders_ > enough_; }

  /// Adds the rows of q, twice if so wanted, to the fields of the panel's samples, and forgets them.
  template <class T>
  void add_to(T* h, DenseWeight<const std::int32_t> q, bool twice) {
    for (; samples_ != 0; samples_ &= samples_ - 1) {
      const int sample = __builtin_ctz(samples_);
      std::uint64_t any = 0;
      for (int b = 0; b < blocks_; ++b) any |= up_[b].of_sample[sample] | down_[b].of_sample[sample];
      if (any != 0) add_sample(sample, h + sample * row_stride(q.receivers), q, twice);
    }
    blocks_ = senders_ = 0;
  }

 private:
  static constexpr int most_blocks = 8;
  /// Senders of a block that are noted one by one.
  static constexpr int few = 4;

  /// Of a whole block.
  void note(const Mask* from, const Mask* to, std::int64_t j) {
    alignas(64) Mask moves[SenderBits::count];
    for (std::int64_t i = 0; i < SenderBits::count; ++i) moves[i] = static_cast<Mask>(from[i] ^ to[i]);
    std::uint64_t moved = 0;
    for (std::int64_t i = 0; i < SenderBits::count; i += lanes)
      moved |= std::uint64_t{masks_with_bits(moves + i)} << i;
    if (moved == 0) return;
    first_[blocks_] = j;
    const int senders = __builtin_popcountll(moved);
    SenderBits &up = up_[blocks_], &down = down_[blocks_];
    if (senders <= few) {
      up = down = {};
      for (; moved != 0; moved &= moved - 1) {
        const int i = __builtin_ctzll(moved);
        samples_ |= moves[i];
        set(moves[i] & to[i], i, up);
        set(moves[i] & from[i], i, down);
      }
    } else {
      samples_ = 0xffff;
      const SenderBits all(moves, SenderBits::count), after(to, SenderBits::count);
      for (int lane = 0; lane < lanes; ++lane) {
        up.of_sample[lane] = all.of_sample[lane] & after.of_sample[lane];
        down.of_sample[lane] = all.of_sample[lane] & ~after.of_sample[lane];
      }
    }
    ++blocks_;
    senders_ += senders;
  }

  /// Rows that a sample finds in the second cache where the one before has read them.
  static int rows_near(std::int64_t receivers) {
    constexpr std::int64_t bytes = 256 * 1024;
    const std::int64_t rows = bytes / (4 * row_stride(receivers));
    return static_cast<int>(rows < 16 ? 16 : rows < 512 ? rows : 512);
  }

  static void set(int samples, int sender, SenderBits& bits) {
    for (; samples != 0; samples &= samples - 1)
      bits.of_sample[__builtin_ctz(samples)] |= std::uint64_t{1} << sender;
  }

  template <class T>
  void add_sample(int sample, T* h, DenseWeight<const std::int32_t> q, bool twice) const {
    for_each_row_tile<T>(
        q.receivers, [&]<std::size_t... r>(std::int64_t k, std::index_sequence<r...> tile) {
          Field<T> sum[sizeof...(r)] = {};
          for (int b = 0; b < blocks_; ++b) {
            const std::int32_t* rows = q.entries + first_[b] * q.stride + k;
            add_chosen_rows<T, false>(rows, q.stride, up_[b].of_sample[sample], sum, tile);
            add_chosen_rows<T, true>(rows, q.stride, down_[b].of_sample[sample], sum, tile);
          }
          const auto add = [&](T* to, Field<T> x) {
            store(to, load<std::make_unsigned_t<T>>(to) + (twice ? x + x : x));
          };
          (add(h + k + static_cast<std::int64_t>(r) * width<T>, sum[r]), ...);
        });
  }

  int blocks_ = 0, senders_ = 0, enough_;
  unsigned samples_ = 0;  // in which some may have moved
  std::int64_t first_[most_blocks];
  SenderBits up_[most_blocks], down_[most_blocks];
};

/// h += the rows of a panel's senders that are in `to` and not in `from`, less those the other way round.
template <class T>
void advance_plane(DenseWeight<const std::int32_t> q, const Mask* from, const Mask* to, bool twice, T* h) {
  SampleMoves moves(q.receivers);
  for (std::int64_t j = q.first_sender; j < q.last_sender; j += SenderBits::count) {
    const std::int64_t left = q.last_sender - j;
    moves.note(from + j, to + j, j, left < SenderBits::count ? left : SenderBits::count);
    if (moves.full()) moves.add_to(h, q, twice);
  }
  moves.add_to(h, q, twice);
}

/// Whether everything that moves does so between -1 and +1.
inline bool only_flips(SignsIn from, SignsIn to, std::int64_t begin, std::int64_t end) {
  unsigned others = 0;
  for (std::int64_t i = begin; i < end; ++i)
    others |= static_cast<unsigned>((from.plus[i] ^ to.plus[i]) ^ (from.minus[i] ^ to.minus[i]));
  return others == 0;
}

template <class T>
void advance_rows(DenseWeight<const std::int32_t> q, SignsIn from, SignsIn to, std::int64_t panels, T* h) {
  for (std::int64_t p = 0; p < panels; ++p, h += lanes * row_stride(q.receivers)) {
    const std::int64_t first = p * q.senders;
    const SignsIn a{from.plus + first, from.minus + first}, b{to.plus + first, to.minus + first};
    const bool flips = only_flips(a, b, q.first_sender, q.last_sender);
    advance_plane(q, a.plus, b.plus, flips, h);
    if (!flips) advance_plane(q, b.minus, a.minus, false, h);
  }
}

}  // namespace
}  // namespace relaxon
