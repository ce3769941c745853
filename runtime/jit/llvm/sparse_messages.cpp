// Messages through sparse weights, receivers in the outer loop, a panel's samples in the lanes.
#include "runtime/jit/llvm/generate.hpp"

namespace relaxon::jit {
namespace {

/// Sums that take a broadcast from memory with every addition are kept in registers of eight: a broadcast to
/// sixteen would cost as much as two.
constexpr unsigned narrow = 8;
constexpr unsigned strips = 16 / narrow;

/// The senders' numbers of one strip of lanes.
V numbers_at(Emitter& e, const RealSparse& o, V x, V sender, unsigned strip) {
  V index = e.scaled(sender, lanes, e.number(strip * narrow));
  if (!o.bytes) return e.load_vector(e.f32, narrow, x, index);
  V bytes = e.load_vector(e.i8, narrow, x, index);
  return e.b.CreateSIToFP(e.b.CreateZExt(bytes, e.vector(e.i32, narrow)), e.vector(e.f32, narrow));
}

/// Columns of one tile, shortest first: each runs `strips` sums, and all run side by side as long as the
/// shortest.
class ColumnTile {
 public:
  ColumnTile(Emitter& e, const RealSparse& o, unsigned columns)
      : e_(e),
        o_(o),
        columns_(columns),
        w_(e.operand(0)),
        offsets_(e.operand(1)),
        sender_(e.operand(2)),
        order_(e.operand(3)) {}

  /// Columns order[first] .. of a panel: x and h point at its numbers.
  void emit(V first, V x, V h) {
    Values column, offset, length;
    for (unsigned c = 0; c < columns_; ++c) {
      column.push_back(e_.widened(e_.load(e_.i32, order_, e_.b.CreateAdd(first, e_.number(c)))));
      offset.push_back(e_.widened(e_.load(e_.i32, offsets_, column[c])));
      V next = e_.widened(e_.load(e_.i32, offsets_, e_.b.CreateAdd(column[c], e_.number(1))));
      length.push_back(e_.b.CreateSub(next, offset[c]));
    }
    const Values zeros(columns_ * strips, e_.zeros(e_.f32, narrow));
    Values sums = e_.loop(e_.number(0), length[0], 1, zeros, [&](V i, const Values& carried) {
      Values next = carried;
      for (unsigned c = 0; c < columns_; ++c) add(next, c, e_.b.CreateAdd(offset[c], i), x);
      return next;
    });
    for (unsigned c = 0; c < columns_; ++c) {
      Values own(sums.begin() + c * strips, sums.begin() + (c + 1) * strips);
      if (c > 0) {
        own = e_.loop(length[0], length[c], 1, own, [&](V i, const Values& carried) {
          Values next = carried;
          add(next, 0, e_.b.CreateAdd(offset[c], i), x);
          return next;
        });
      }
      for (unsigned strip = 0; strip < strips; ++strip) store(own[strip], column[c], strip, h);
    }
  }

 private:
  void add(Values& sums, unsigned c, V entry, V x) {
    V weight = e_.splat(e_.load(e_.f32, w_, entry), narrow);
    V sender = e_.widened(e_.load(e_.i32, sender_, entry));
    for (unsigned strip = 0; strip < strips; ++strip) {
      V& sum = sums[c * strips + strip];
      sum = e_.fma(numbers_at(e_, o_, x, sender, strip), weight, sum);
    }
  }
  void store(V sum, V column, unsigned strip, V h) {
    if (o_.scale != 1.0f) sum = e_.b.CreateFMul(sum, e_.splat(e_.real(o_.scale), narrow));
    e_.store(sum, e_.at(e_.f32, h, e_.scaled(column, lanes, e_.number(strip * narrow))));
  }

  Emitter& e_;
  const RealSparse& o_;
  unsigned columns_;
  V w_, offsets_, sender_, order_;
};

}  // namespace

void generate(Emitter& e, const RealSparse& o) {
  V x = e.operand(4), h = e.operand(5);
  const unsigned columns = e.isa == Isa::avx512 ? 8 : 4;
  constexpr std::int64_t block = 64;
  ColumnTile tile(e, o, columns), single(e, o, 1);
  e.loop(e.begin, e.end, block, [&](V first) {
    V last = e.smaller(e.end, e.b.CreateAdd(first, e.number(block)));
    V whole = e.b.CreateSub(last, e.b.CreateAnd(e.b.CreateSub(last, first), e.number(columns - 1)));
    e.loop(e.number(0), e.panels, 1, [&](V panel) {
      V from = e.at(o.bytes ? e.i8 : e.f32, x, e.scaled(panel, o.senders * lanes));
      V to = e.at(e.f32, h, e.scaled(panel, o.receivers * lanes));
      e.loop(first, whole, columns, [&](V k) { tile.emit(k, from, to); });
      e.loop(whole, last, 1, [&](V k) { single.emit(k, from, to); });
    });
  });
  e.finish(e.number(0));
}

void generate(Emitter& e, const ExactSparse& o) {
  V q = e.operand(0), offsets = e.operand(1), sender = e.operand(2), plus = e.operand(3), h = e.operand(4);
  e.loop(e.number(0), e.panels, 1, [&](V panel) {
    V masks = e.at(e.i16, plus, e.scaled(panel, o.senders));
    V fields = e.at(e.i32, h, e.scaled(panel, o.receivers * lanes));
    e.loop(e.begin, e.end, 1, [&](V k) {
      V first = e.widened(e.load(e.i32, offsets, k));
      V last = e.widened(e.load(e.i32, offsets, e.b.CreateAdd(k, e.number(1))));
      Values starts(strips, e.zeros(e.i32, narrow));
      starts.push_back(e.word(0));
      // The lanes that are +1; the others have the rest of the column's total, taken away.
      const Values sums = e.loop(first, last, 1, starts, [&](V i, const Values& carried) {
        V weight = e.load(e.i32, q, i);
        V mask = e.load(e.i16, masks, e.widened(e.load(e.i32, sender, i)));
        Values next;
        for (unsigned strip = 0; strip < strips; ++strip) {
          V where = e.lanes_of(mask, strip * narrow, narrow);
          next.push_back(e.add_where(carried[strip], where, e.splat(weight, narrow)));
        }
        next.push_back(e.b.CreateAdd(carried[strips], weight));
        return next;
      });
      for (unsigned strip = 0; strip < strips; ++strip) {
        V to = e.at(e.i32, fields, e.scaled(k, lanes, e.number(strip * narrow)));
        V message = e.b.CreateSub(e.b.CreateAdd(sums[strip], sums[strip]), e.splat(sums[strips], narrow));
        if (o.add) message = e.b.CreateAdd(message, e.load(e.vector(e.i32, narrow), to));
        e.store(message, to);
      }
    });
  });
  e.finish(e.number(0));
}

namespace {

/// What a sender's change of state does to the fields of its receivers.
struct Change {
  V twice_up, twice_down, once_up, once_down;  // lanes that move by +-2 and by +-1
};

Change change_of(Emitter& e, V from_plus, V from_minus, V to_plus, V to_minus) {
  auto& b = e.b;
  V gained = b.CreateAnd(to_plus, b.CreateNot(from_plus)),
    lost = b.CreateAnd(from_plus, b.CreateNot(to_plus));
  V risen = b.CreateAnd(from_minus, b.CreateNot(to_minus));
  V fallen = b.CreateAnd(to_minus, b.CreateNot(from_minus));
  return {b.CreateAnd(gained, risen), b.CreateAnd(lost, fallen), b.CreateXor(gained, risen),
          b.CreateXor(lost, fallen)};
}

/// The receivers of a sender, all lanes at once.
void advance_receivers(Emitter& e, V first, V last, V up, V down, int factor, V fields) {
  V q = e.operand(0), receiver = e.operand(2), entry = e.operand(3);
  V rising = e.lanes_of(up), falling = e.lanes_of(down);
  e.loop(first, last, 1, [&](V i) {
    V to = e.at(e.i32, fields, e.scaled(e.widened(e.load(e.i32, receiver, i)), lanes));
    V weight = e.load(e.i32, q, e.widened(e.load(e.i32, entry, i)));
    if (factor == 2) weight = e.b.CreateShl(weight, 1);
    V amount = e.splat(weight, lanes);
    V field = e.load(e.vector(e.i32, lanes), to);
    e.store(e.subtract_where(e.add_where(field, rising, amount), falling, amount), to);
  });
}

}  // namespace

void generate(Emitter& e, const AdvanceSparse& o) {
  V rows = e.operand(1), from_plus = e.operand(4), from_minus = e.operand(5), to_plus = e.operand(6),
    to_minus = e.operand(7), h = e.operand(8);
  const auto sender = [&](V panel, V j) {
    V at = e.scaled(panel, o.senders, j);
    V fp = e.load(e.i16, from_plus, at), fm = e.load(e.i16, from_minus, at);
    V tp = e.load(e.i16, to_plus, at), tm = e.load(e.i16, to_minus, at);
    V differs = e.b.CreateOr(e.b.CreateXor(fp, tp), e.b.CreateXor(fm, tm));
    e.when(e.b.CreateICmpNE(differs, e.b.getInt16(0)), [&] {
      const Change c = change_of(e, fp, fm, tp, tm);
      V first = e.widened(e.load(e.i32, rows, j));
      V last = e.widened(e.load(e.i32, rows, e.b.CreateAdd(j, e.number(1))));
      V fields = e.at(e.i32, h, e.scaled(panel, o.receivers * lanes));
      const auto move = [&](V up, V down, int factor) {
        e.when(e.b.CreateICmpNE(e.b.CreateOr(up, down), e.b.getInt16(0)),
               [&] { advance_receivers(e, first, last, up, down, factor, fields); });
      };
      move(c.twice_up, c.twice_down, 2);
      move(c.once_up, c.once_down, 1);
    });
  };
  // Most senders stay as they are: blocks are looked at as a whole.
  constexpr unsigned block = 32;
  e.loop(e.number(0), e.panels, 1, [&](V panel) {
    const std::int64_t whole = o.senders / block * block;
    e.loop(e.number(0), e.number(whole), block, [&](V first) {
      V at = e.scaled(panel, o.senders, first);
      const auto differing = [&](V a, V c) {
        return e.b.CreateXor(e.load_vector(e.i16, block, a, at), e.load_vector(e.i16, block, c, at));
      };
      V any = e.b.CreateOr(differing(from_plus, to_plus), differing(from_minus, to_minus));
      any = e.b.CreateICmpNE(any, e.zeros(e.i16, block));
      V bits = e.b.CreateBitCast(any, e.i32);
      // As many turns as bits: each takes the lowest one away.
      V turns = e.b.CreateZExt(e.popcount(bits), e.i64);
      e.loop(e.number(0), turns, 1, {bits}, [&](V, const Values& left) -> Values {
        V low = e.b.CreateBinaryIntrinsic(llvm::Intrinsic::cttz, left[0], e.b.getTrue());
        sender(panel, e.b.CreateAdd(first, e.b.CreateZExt(low, e.i64)));
        return {e.b.CreateAnd(left[0], e.b.CreateSub(left[0], e.word(1)))};
      });
    });
    if (whole < o.senders) e.loop(e.number(whole), e.number(o.senders), 1, [&](V j) { sender(panel, j); });
  });
  e.finish(e.number(0));
}

}  // namespace relaxon::jit
