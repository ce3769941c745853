// Changes of exact messages of dense weights, as runtime/kernels/row_changes.hpp has them: a bit a sender and
// sample says which rows are added and which are taken away.
#include <algorithm>

#include "runtime/jit/llvm/generate.hpp"
#include "runtime/jit/llvm/row_tiles.hpp"

namespace relaxon::jit {
namespace {

constexpr std::int64_t width = 16;

class AdvanceRowsFunction {
 public:
  AdvanceRowsFunction(Emitter& e, const AdvanceRows& o)
      : e_(e),
        b_(e.b),
        o_(o),
        stride_(row_stride(o.receivers)),
        q_(e.operand(0)),
        h_(e.operand(5)),
        first_(e.memory(e.i64, most_blocks)),
        words_(e.memory(e.i64, most_blocks * words_of_block)) {
    for (unsigned i = 0; i < 4; ++i) planes_[i] = e.operand(1 + i);
  }

  void run() {
    e_.loop(e_.number(0), e_.panels, 1, [&](V panel) {
      V flips = only_flips(panel);
      // If something else moves, what is +1 and what is -1 one after the other.
      V turns = b_.CreateSelect(flips, e_.number(1), e_.number(2));
      e_.loop(e_.number(0), turns, 1, [&](V turn) {
        V minus = b_.CreateICmpNE(turn, e_.number(0));
        V from = b_.CreateSelect(minus, planes_[3], planes_[0]);
        V to = b_.CreateSelect(minus, planes_[1], planes_[2]);
        plane(panel, from, to, e_.splat(b_.CreateZExt(flips, e_.i32), width));
      });
    });
    e_.finish(e_.number(0));
  }

 private:
  /// Blocks of senders that are noted before their rows are added.
  static constexpr unsigned most_blocks = 8;
  /// Bits of the senders that go up in each sample, then of those that go down.
  static constexpr unsigned words_of_block = 2 * lanes;
  /// Senders of a block that are noted one by one.
  static constexpr unsigned few = 4;

  /// After a block that brings them beyond so many, rows are added: a sample finds in the second cache those
  /// that the one before has read.
  std::int64_t enough() const {
    constexpr std::int64_t bytes = 256 * 1024;
    return std::clamp<std::int64_t>(bytes / (4 * stride_), 16, most_blocks * SenderBlock::count);
  }

  V words_at(V block, V word) { return e_.at(e_.i64, words_, e_.scaled(block, words_of_block, word)); }

  /// Whether everything that moves does so between -1 and +1.
  V only_flips(V panel) {
    const auto others = [&](V j, const Values& carried) -> Values {
      const SenderBlock senders(e_, o_.senders, panel, j);
      Values masks;
      for (V plane : planes_) masks.push_back(senders.masks(plane));
      V unlike = b_.CreateXor(b_.CreateXor(masks[0], masks[2]), b_.CreateXor(masks[1], masks[3]));
      V found = senders.bits(b_.CreateICmpNE(unlike, e_.zeros(e_.i16, SenderBlock::count)));
      return {b_.CreateOr(carried[0], found)};
    };
    const Values found = e_.loop(e_.begin, e_.end, SenderBlock::count, {e_.number(0)}, others);
    return b_.CreateICmpEQ(found[0], e_.number(0));
  }

  /// Fields += the rows of senders that are in `to` and not in `from`, less those the other way round; twice
  /// where `factor` is 1.
  void plane(V panel, V from, V to, V factor) {
    const Values none{e_.number(0), e_.number(0)};  // blocks and senders that are noted
    const Values noted =
        e_.loop(e_.begin, e_.end, SenderBlock::count, none, [&](V j, const Values& carried) -> Values {
          const SenderBlock senders(e_, o_.senders, panel, j);
          V before = senders.masks(from), after = senders.masks(to);
          V moves = b_.CreateXor(before, after);
          V moved = senders.bits(b_.CreateICmpNE(moves, e_.zeros(e_.i16, SenderBlock::count)));
          return e_.when(b_.CreateICmpNE(moved, e_.number(0)), carried, [&]() -> Values {
            V count = e_.popcount(moved), block = carried[0];
            e_.store(j, e_.at(e_.i64, first_, block));
            V one_by_one = b_.CreateICmpULE(count, e_.number(few));
            e_.when(one_by_one, [&] { note(block, moved, e_.scaled(panel, o_.senders, j), from, to); });
            e_.when(b_.CreateNot(one_by_one), [&] {
              senders.spread(b_.CreateAnd(moves, after), words_at(block, e_.number(0)));
              senders.spread(b_.CreateAnd(moves, before), words_at(block, e_.number(lanes)));
            });
            V blocks = b_.CreateAdd(block, e_.number(1)), all = b_.CreateAdd(carried[1], count);
            V full = b_.CreateOr(b_.CreateICmpEQ(blocks, e_.number(most_blocks)),
                                 b_.CreateICmpSGT(all, e_.number(enough())));
            return e_.when(full, {blocks, all}, [&]() -> Values {
              add_noted(panel, blocks, factor);
              return none;
            });
          });
        });
    e_.when(b_.CreateICmpNE(noted[0], e_.number(0)), [&] { add_noted(panel, noted[0], factor); });
  }

  /// The bits of a few senders of a block whose masks begin at `at`.
  void note(V block, V moved, V at, V from, V to) {
    for (unsigned word = 0; word < words_of_block; word += 8)
      e_.store(e_.zeros(e_.i64, 8), words_at(block, e_.number(word)));
    e_.for_each_bit(moved, {}, [&](V i, const Values&) -> Values {
      V before = e_.load(e_.i16, from, b_.CreateAdd(at, i)), after = e_.load(e_.i16, to, b_.CreateAdd(at, i));
      V up = b_.CreateAnd(after, b_.CreateNot(before)), down = b_.CreateAnd(before, b_.CreateNot(after));
      V both = b_.CreateOr(b_.CreateZExt(up, e_.i32), b_.CreateShl(b_.CreateZExt(down, e_.i32), lanes));
      e_.for_each_bit(both, {}, [&](V word, const Values&) -> Values {
        V place = words_at(block, word);
        e_.store(b_.CreateOr(e_.load(e_.i64, place), b_.CreateShl(e_.number(1), i)), place);
        return {};
      });
      return {};
    });
  }

  void add_noted(V panel, V blocks, V factor) {
    const Values none{e_.zeros(e_.i64, lanes)};
    V any = e_.loop(e_.number(0), blocks, 1, none, [&](V block, const Values& carried) -> Values {
      V up = e_.load(e_.vector(e_.i64, lanes), words_at(block, e_.number(0)));
      V down = e_.load(e_.vector(e_.i64, lanes), words_at(block, e_.number(lanes)));
      return {b_.CreateOr(carried[0], b_.CreateOr(up, down))};
    })[0];
    V samples = e_.mask_of(b_.CreateICmpNE(any, none[0]));
    e_.for_each_bit(samples, {}, [&](V lane, const Values&) -> Values {
      V row = e_.at(e_.i32, h_, e_.scaled(e_.scaled(panel, lanes, lane), stride_));
      for_each_tile(e_, o_.receivers, [&](V k, std::int64_t registers) {
        const Values sum = sum_noted(lane, blocks, k, registers);
        for (std::size_t r = 0; r < sum.size(); ++r) {
          V place = e_.at(e_.i32, row, b_.CreateAdd(k, e_.number(static_cast<std::int64_t>(r) * width)));
          V old = e_.load(e_.vector(e_.i32, width), place);
          e_.store(b_.CreateAdd(old, b_.CreateShl(sum[r], factor)), place);
        }
      });
      return {};
    });
  }

  /// What is noted for a sample, of some registers of receivers.
  Values sum_noted(V lane, V blocks, V k, std::int64_t registers) {
    return e_.loop(e_.number(0), blocks, 1, zeros_of(e_, registers), [&](V block, const Values& carried) {
      V rows = e_.at(e_.i32, q_, e_.scaled(e_.load(e_.i64, first_, block), stride_, k));
      const auto add = [&](V word, const Values& sum, bool negative) {
        return e_.for_each_bit(e_.load(e_.i64, words_at(block, word)), sum, [&](V i, const Values& c) {
          return add_row(e_, c, e_.at(e_.i32, rows, e_.scaled(i, stride_)), negative);
        });
      };
      return add(b_.CreateAdd(lane, e_.number(lanes)), add(lane, carried, false), true);
    });
  }

  Emitter& e_;
  llvm::IRBuilder<>& b_;
  const AdvanceRows& o_;
  std::int64_t stride_;
  V planes_[4];  // from plus, minus, to plus, minus
  V q_, h_, first_, words_;
};

}  // namespace

void generate(Emitter& e, const AdvanceRows& o) { AdvanceRowsFunction(e, o).run(); }

}  // namespace relaxon::jit
