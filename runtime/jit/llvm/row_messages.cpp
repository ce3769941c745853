// Exact messages of dense weights, a sample at a time: rows of q are added where the sender is +1, taken away
// where it is -1. Where every sender is one or the other, a message is twice the rows of those that are +1,
// less all rows.
#include "runtime/jit/llvm/change.hpp"
#include "runtime/jit/llvm/generate.hpp"

namespace relaxon::jit {
namespace {

constexpr std::int64_t width = 16;

/// Senders whose rows stay in the first cache from sample to sample.
constexpr std::int64_t sender_block = 32;

/// How many registers of receivers are summed side by side: most first; each as often as it fits, the last
/// one fits what then is left. Parts of a team are multiples of four registers.
std::vector<std::int64_t> tile_sizes(Isa isa, std::int64_t registers) {
  const std::int64_t small = isa == Isa::x86_64 ? 2 : 4;
  if (registers <= small) return {registers};
  std::vector<std::int64_t> sizes;
  if (isa == Isa::avx512 && registers >= 2 * small) sizes.push_back(2 * small);
  sizes.push_back(small);
  if (registers % small != 0) sizes.push_back(registers % small);
  return sizes;
}

/// body(first receiver, registers) for tiles that cover the receivers of a call, padding included.
void for_each_tile(Emitter& e, std::int64_t receivers, const std::function<void(V, std::int64_t)>& body) {
  V end = e.b.CreateAnd(e.b.CreateAdd(e.end, e.number(width - 1)), e.number(-width));
  V k = e.begin;
  for (const std::int64_t registers : tile_sizes(e.isa, row_stride(receivers) / width)) {
    const std::int64_t step = registers * width;
    V last = e.b.CreateSub(end, e.number(step - 1));
    k = e.loop(k, last, step, {k}, [&](V first, const Values&) -> Values {
      body(first, registers);
      return {e.b.CreateAdd(first, e.number(step))};
    })[0];
  }
}

/// sum[r] +- the registers of a row from `row` on.
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

V word_splat(Emitter& e, V condition, std::int64_t yes, std::int64_t no) {
  return e.splat(e.b.CreateSelect(condition, e.word(yes), e.word(no)), width);
}

/// Samples of a panel.
V samples_of(Emitter& e, V panel) {
  return e.smaller(e.b.CreateSub(e.batch, e.scaled(panel, lanes)), e.number(lanes));
}

class ExactRowsFunction {
 public:
  ExactRowsFunction(Emitter& e, const ExactRows& o)
      : e_(e), b_(e.b), o_(o), stride_(row_stride(o.receivers)) {
    q_ = e.operand(0);
    plus_ = e.operand(1);
    minus_ = e.operand(2);
    h_ = e.operand(3);
    signs_ = b_.CreateIsNull(minus_);
  }

  void run() {
    if (stride_ == width) {
      few_receivers();
    } else {
      many_receivers();
    }
    e_.finish(e_.number(0));
  }

 private:
  V field(V panel, V lane, V k) {
    return e_.at(e_.i32, h_, e_.scaled(e_.scaled(panel, lanes, lane), stride_, k));
  }

  void many_receivers() {
    V ups = e_.scratch(e_.i32, lanes), downs = e_.scratch(e_.i32, lanes);
    e_.loop(e_.number(0), e_.panels, 1, [&](V panel) {
      V samples = samples_of(e_, panel);
      e_.loop(e_.number(0), e_.number(o_.senders), sender_block, [&](V j) {
        V at = e_.scaled(panel, o_.senders, j);
        spread(plus_, at, j, ups);
        e_.when(b_.CreateNot(signs_), [&] { spread(minus_, at, j, downs); });
        for_each_tile(e_, o_.receivers, [&](V k, std::int64_t registers) {
          tile(panel, samples, j, k, registers, ups, downs);
        });
      });
    });
  }

  /// Bits of the senders of a block, a word a sample.
  void spread(V plane, V at, V j, V words) {
    V masks = e_.load_block(e_.i16, sender_block, plane, at, j, o_.senders);
    for (unsigned lane = 0; lane < lanes; ++lane) {
      V top = b_.CreateShl(masks, e_.splat(b_.getInt16(static_cast<std::uint16_t>(lanes - 1 - lane)), 32));
      V bits = e_.bits_of(b_.CreateICmpSLT(top, e_.zeros(e_.i16, sender_block)), e_.i32);
      e_.store(bits, e_.at(e_.i32, words, e_.number(lane)));
    }
  }

  /// What a block of senders adds to some registers of receivers, of all samples.
  void tile(V panel, V samples, V j, V k, std::int64_t registers, V ups, V downs) {
    V rows = e_.at(e_.i32, q_, e_.scaled(j, stride_, k));
    const auto row = [&](V i) { return e_.at(e_.i32, rows, e_.scaled(i, stride_)); };
    const Values none = zeros_of(e_, registers);
    const Values all = e_.when(signs_, none, [&] {
      V count = e_.smaller(b_.CreateSub(e_.number(o_.senders), j), e_.number(sender_block));
      return e_.loop(e_.number(0), count, 1, none,
                     [&](V i, const Values& sum) { return add_row(e_, sum, row(i), false); });
    });
    V before = word_splat(e_, b_.CreateICmpEQ(j, e_.number(0)), 0, -1);
    V twice = word_splat(e_, signs_, 1, 0);
    e_.loop(e_.number(0), samples, 1, [&](V lane) {
      const auto chosen = [&](V words, const Values& sum, bool negative) {
        return e_.for_each_bit(e_.load(e_.i32, words, lane), sum, [&](V i, const Values& carried) {
          return add_row(e_, carried, row(i), negative);
        });
      };
      const Values sum = chosen(downs, chosen(ups, none, false), true);
      V to = field(panel, lane, k);
      for (std::size_t r = 0; r < sum.size(); ++r) {
        V place = e_.at(e_.i32, to, e_.number(static_cast<std::int64_t>(r) * width));
        V old = b_.CreateAnd(e_.load(e_.vector(e_.i32, width), place), before);
        V added = b_.CreateSub(b_.CreateShl(sum[r], twice), all[r]);
        e_.store(b_.CreateAdd(old, added), place);
      }
    });
  }

  /// A few receivers are summed by lane, side by side: picking rows one by one is slow when they are short.
  void few_receivers() {
    const unsigned strip = e_.isa == Isa::avx512 ? 16 : e_.isa == Isa::avx2 ? 8 : 4;
    const std::int64_t most = e_.isa == Isa::avx512 ? 16 : 8;
    const std::int64_t chunks = (o_.receivers + most - 1) / most;
    V block = e_.scratch(e_.i32, lanes * lanes);
    e_.when(b_.CreateICmpSLT(e_.begin, e_.end), [&] {
      e_.loop(e_.number(0), e_.panels, 1, [&](V panel) {
        for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
          const std::int64_t first = o_.receivers * chunk / chunks;
          const std::int64_t last = o_.receivers * (chunk + 1) / chunks;
          for (unsigned lane = 0; lane < lanes; lane += strip)
            sums_by_lane(panel, first, last, lane, strip, block);
        }
        finish_few(panel, block);
      });
    });
  }

  /// Receivers first .. last - 1 of some lanes: what the senders that are +1 add, less, unless all are signs,
  /// what those that are -1 do.
  void sums_by_lane(V panel, std::int64_t first, std::int64_t last, unsigned lane, unsigned strip, V block) {
    const auto add = [&](V plane, const Values& starts, bool negative) {
      return e_.loop(e_.number(0), e_.number(o_.senders), 1, starts, [&](V j, const Values& sum) {
        V where = e_.lanes_of(e_.load(e_.i16, plane, e_.scaled(panel, o_.senders, j)), lane, strip);
        V row = e_.at(e_.i32, q_, e_.scaled(j, stride_));
        Values next;
        for (std::int64_t k = first; k < last; ++k) {
          V q = e_.splat(e_.load(e_.i32, row, e_.number(k)), strip);
          V old = sum[static_cast<std::size_t>(k - first)];
          next.push_back(negative ? e_.subtract_where(old, where, q) : e_.add_where(old, where, q));
        }
        return next;
      });
    };
    const Values none(static_cast<std::size_t>(last - first), e_.zeros(e_.i32, strip));
    const Values up = add(plus_, none, false);
    const Values sum = e_.when(b_.CreateNot(signs_), up, [&] { return add(minus_, up, true); });
    for (std::int64_t k = first; k < last; ++k)
      e_.store(sum[static_cast<std::size_t>(k - first)], e_.at(e_.i32, block, e_.number(k * lanes + lane)));
  }

  void finish_few(V panel, V block) {
    const Values none = zeros_of(e_, 1);
    const Values all = e_.when(signs_, none, [&] {
      return e_.loop(e_.number(0), e_.number(o_.senders), 1, none, [&](V j, const Values& sum) {
        return add_row(e_, sum, e_.at(e_.i32, q_, e_.scaled(j, stride_)), false);
      });
    });
    V twice = word_splat(e_, signs_, 1, 0);
    Values rows;
    for (unsigned k = 0; k < lanes; ++k)
      rows.push_back(e_.load_vector(e_.i32, width, block, e_.number(k * lanes)));
    rows = e_.transposed(rows);
    // Fields have room for all lanes of a panel.
    for (unsigned lane = 0; lane < lanes; ++lane)
      e_.store(b_.CreateSub(b_.CreateShl(rows[lane], twice), all[0]),
               field(panel, e_.number(lane), e_.number(0)));
  }

  Emitter& e_;
  llvm::IRBuilder<>& b_;
  const ExactRows& o_;
  std::int64_t stride_;
  V q_, plus_, minus_, h_, signs_;
};

/// A change notes, for each sample, the senders that moved, and adds their rows together.
class AdvanceRowsFunction {
 public:
  AdvanceRowsFunction(Emitter& e, const AdvanceRows& o)
      : e_(e), b_(e.b), o_(o), stride_(row_stride(o.receivers)) {
    q_ = e.operand(0);
    for (unsigned i = 0; i < 4; ++i) planes_[i] = e.operand(1 + i);
    h_ = e.operand(5);
    counts_ = e.scratch(e.i32, 4 * lanes);
    llvm::AllocaInst* noted = b_.CreateAlloca(llvm::ArrayType::get(e.i32, 4 * lanes * capacity));
    noted->setAlignment(llvm::Align(64));
    noted_ = noted;
  }

  void run() {
    e_.loop(e_.number(0), e_.panels, 1, [&](V panel) {
      e_.loop(e_.number(0), e_.number(o_.senders), sender_block, {e_.number(0)},
              [&](V j, const Values& carried) -> Values { return {block(panel, j, carried[0])}; });
    });
    e_.finish(e_.number(0));
  }

 private:
  /// Senders that are noted before their rows are added.
  static constexpr std::int64_t capacity = 128;

  /// Four lists a sample: senders worth twice their row, up and down, and once.
  V list(unsigned which, V lane) { return b_.CreateAdd(e_.number(which * lanes), lane); }

  /// Notes the senders of a block that moved; how many are noted.
  V block(V panel, V j, V known) {
    V at = e_.scaled(panel, o_.senders, j);
    Values masks;
    for (V plane : planes_) masks.push_back(e_.load_block(e_.i16, sender_block, plane, at, j, o_.senders));
    V differing = b_.CreateOr(b_.CreateXor(masks[0], masks[2]), b_.CreateXor(masks[1], masks[3]));
    V moved = e_.bits_of(b_.CreateICmpNE(differing, e_.zeros(e_.i16, sender_block)), e_.i32);
    e_.for_each_bit(moved, {}, [&](V i, const Values&) -> Values {
      note(b_.CreateAdd(at, i), b_.CreateAdd(j, i));
      return {};
    });
    V count = b_.CreateAdd(known, b_.CreateZExt(e_.popcount(moved), e_.i64));
    V full = b_.CreateICmpSGT(count, e_.number(capacity - sender_block));
    V last = b_.CreateICmpSGE(b_.CreateAdd(j, e_.number(sender_block)), e_.number(o_.senders));
    V due = b_.CreateAnd(b_.CreateOr(full, last), b_.CreateICmpSGT(count, e_.number(0)));
    return e_.when(due, {count}, [&]() -> Values {
      add_noted(panel);
      return {e_.number(0)};
    })[0];
  }

  void note(V at, V sender) {
    const auto mask = [&](unsigned plane) { return e_.load(e_.i16, planes_[plane], at); };
    const Change change = change_of(e_, mask(0), mask(1), mask(2), mask(3));
    V number = b_.CreateTrunc(sender, e_.i32);
    const auto add = [&](V samples, unsigned which) {
      e_.for_each_bit(samples, {}, [&](V lane, const Values&) -> Values {
        V own = list(which, lane);
        V place = e_.at(e_.i32, counts_, own);
        V count = e_.load(e_.i32, place);
        e_.store(number, e_.at(e_.i32, noted_, e_.scaled(own, capacity, e_.widened(count))));
        e_.store(b_.CreateAdd(count, e_.word(1)), place);
        return {};
      });
    };
    add(change.twice_up, 0);
    add(change.twice_down, 1);
    add(change.once_up, 2);
    add(change.once_down, 3);
  }

  void add_noted(V panel) {
    e_.loop(e_.number(0), e_.number(lanes), 1, [&](V lane) {
      // Twice, then once, by the same code.
      e_.loop(e_.number(0), e_.number(2), 1, [&](V turn) {
        V up = e_.scaled(turn, 2 * lanes, lane), down = b_.CreateAdd(up, e_.number(lanes));
        V ups = e_.widened(e_.load(e_.i32, counts_, up)), downs = e_.widened(e_.load(e_.i32, counts_, down));
        e_.when(b_.CreateICmpNE(b_.CreateOr(ups, downs), e_.number(0)), [&] {
          V factor = e_.splat(b_.CreateTrunc(b_.CreateXor(turn, e_.number(1)), e_.i32), width);
          V row = e_.at(e_.i32, h_, e_.scaled(e_.scaled(panel, lanes, lane), stride_));
          for_each_tile(e_, o_.receivers, [&](V k, std::int64_t registers) {
            Values sum = zeros_of(e_, registers);
            sum = listed(up, ups, k, sum, false);
            sum = listed(down, downs, k, sum, true);
            for (std::size_t r = 0; r < sum.size(); ++r) {
              V place = e_.at(e_.i32, row, b_.CreateAdd(k, e_.number(static_cast<std::int64_t>(r) * width)));
              V old = e_.load(e_.vector(e_.i32, width), place);
              e_.store(b_.CreateAdd(old, b_.CreateShl(sum[r], factor)), place);
            }
          });
        });
      });
    });
    for (unsigned which = 0; which < 4; ++which)
      e_.store(e_.zeros(e_.i32, lanes), e_.at(e_.i32, counts_, e_.number(which * lanes)));
  }

  Values listed(V own, V count, V k, const Values& sum, bool negative) {
    V entries = e_.at(e_.i32, noted_, e_.scaled(own, capacity));
    return e_.loop(e_.number(0), count, 1, sum, [&](V i, const Values& carried) {
      V sender = b_.CreateZExt(e_.load(e_.i32, entries, i), e_.i64);
      return add_row(e_, carried, e_.at(e_.i32, q_, e_.scaled(sender, stride_, k)), negative);
    });
  }

  Emitter& e_;
  llvm::IRBuilder<>& b_;
  const AdvanceRows& o_;
  std::int64_t stride_;
  V q_, planes_[4], h_, counts_, noted_;
};

}  // namespace

void generate(Emitter& e, const ExactRows& o) { ExactRowsFunction(e, o).run(); }
void generate(Emitter& e, const AdvanceRows& o) { AdvanceRowsFunction(e, o).run(); }

}  // namespace relaxon::jit
