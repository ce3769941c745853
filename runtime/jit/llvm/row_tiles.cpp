#include "runtime/jit/llvm/row_tiles.hpp"

#include <algorithm>

namespace relaxon::jit {
namespace {

constexpr std::int64_t width = 16;

/// How many registers are summed side by side, as often as it fits, and how many then are left.
std::vector<std::int64_t> tile_sizes(std::int64_t registers, std::int64_t most) {
  const std::int64_t tiles = (registers + most - 1) / most;
  const std::int64_t size = (registers + tiles - 1) / tiles;
  if (registers % size == 0) return {size};
  return {size, registers % size};
}

}  // namespace

void for_each_tile(Emitter& e, std::int64_t receivers, const std::function<void(V, std::int64_t)>& body) {
  const std::int64_t most = e.isa == Isa::avx512 ? 20 : e.isa == Isa::avx2 ? 4 : 2;
  V k = e.number(0);
  for (const std::int64_t registers : tile_sizes(row_stride(receivers) / width, most)) {
    const std::int64_t step = registers * width;
    V last = e.number(row_stride(receivers) - step + 1);
    k = e.loop(k, last, step, {k}, [&](V first, const Values&) -> Values {
      body(first, registers);
      return {e.b.CreateAdd(first, e.number(step))};
    })[0];
  }
}

Values add_row(Emitter& e, Values sum, V row, bool negative) {
  for (std::size_t r = 0; r < sum.size(); ++r) {
    V q = e.load_vector(e.i32, width, row, e.number(static_cast<std::int64_t>(r) * width));
    sum[r] = negative ? e.b.CreateSub(sum[r], q) : e.b.CreateAdd(sum[r], q);
  }
  return sum;
}

Values zeros_of(Emitter& e, std::int64_t registers) {
  return Values(static_cast<std::size_t>(registers), e.zeros(e.i32, width));
}

SenderBlock::SenderBlock(Emitter& e, std::int64_t senders, V panel, V j) : e_(e), senders_(senders) {
  // The last whole block of the panel overlaps with the one before.
  const std::int64_t last = std::max<std::int64_t>(senders - count, 0);
  V first = e.smaller(j, e.number(last));
  skipped_ = e.b.CreateSub(j, first);
  at_ = e.scaled(panel, senders, first);
  V left = e.b.CreateSub(e.end, j);
  V others = e.b.CreateSelect(e.b.CreateICmpSLT(left, e.number(count)), e.b.CreateShl(e.number(-1), left),
                              e.number(0));
  own_ = e.b.CreateNot(others);
}

V SenderBlock::masks(V plane) const {
  const unsigned most = count;
  if (senders_ >= count) return e_.load_vector(e_.i16, most, plane, at_);
  return e_.load_block(e_.i16, most, plane, at_, e_.number(0), senders_);
}

V SenderBlock::bits(V condition) const {
  return e_.b.CreateAnd(e_.b.CreateLShr(e_.bits_of(condition, e_.i64), skipped_), own_);
}

void SenderBlock::spread(V masks, V words) const {
  e_.loop(e_.number(0), e_.number(lanes), 1, {masks}, [&](V i, const Values& carried) -> Values {
    V own = bits(e_.b.CreateICmpSLT(carried[0], e_.zeros(e_.i16, count)));
    e_.store(own, e_.at(e_.i64, words, e_.b.CreateSub(e_.number(lanes - 1), i)));
    return {e_.b.CreateAdd(carried[0], carried[0])};
  });
}

}  // namespace relaxon::jit
