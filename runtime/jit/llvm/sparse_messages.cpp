// Messages through sparse weights, receivers in the outer loop, a panel's samples in the lanes.
#include "runtime/jit/llvm/change.hpp"
#include "runtime/jit/llvm/generate.hpp"
#include "runtime/jit/llvm/real_sender.hpp"

namespace relaxon::jit {
namespace {

constexpr unsigned width = 16;

/// Sums over the columns of a sparse weight in the order of a ColumnStream (runtime/jit/operation.hpp).
struct ColumnSums {
  V weights, offsets, stream, order;  // operands
  llvm::Type* weight_type;
  bool short_indices;
  Values starts;  // what a column's sum begins as
  /// One more entry: its weight, its sender as the stream has it.
  std::function<Values(const Values& sum, V weight, V sender)> add;
  std::function<void(V column, const Values& sum)> finish;
};

/// `count` columns side by side as long as the shortest, which comes first; then what is left of each.
class ColumnTile {
 public:
  ColumnTile(Emitter& e, const ColumnSums& sums, unsigned columns)
      : e_(e), sums_(sums), columns_(columns), parts_(sums.starts.size()) {}

  /// Columns order[first] .., whose senders begin the stream; the stream behind them.
  V emit(V first, V stream) {
    Values column, weights, length, state;
    for (unsigned c = 0; c < columns_; ++c) {
      column.push_back(e_.widened(e_.load(e_.i32, sums_.order, e_.b.CreateAdd(first, e_.number(c)))));
      V offset = e_.widened(e_.load(e_.i32, sums_.offsets, column[c]));
      V next = e_.widened(e_.load(e_.i32, sums_.offsets, e_.b.CreateAdd(column[c], e_.number(1))));
      weights.push_back(e_.at(sums_.weight_type, sums_.weights, offset));
      length.push_back(e_.b.CreateSub(next, offset));
      state.insert(state.end(), sums_.starts.begin(), sums_.starts.end());
    }
    state.push_back(stream);
    state = e_.loop(e_.number(0), length[0], 1, state, [&](V i, const Values& carried) {
      Values next;
      for (unsigned c = 0; c < columns_; ++c)
        append(next, add(part(carried, c), weights[c], i, carried.back(), c));
      next.push_back(after(carried.back(), columns_));
      return next;
    });
    stream = state.back();
    for (unsigned c = 0; c < columns_; ++c) {
      Values own = part(state, c);
      own.push_back(stream);
      if (c > 0) {
        own = e_.loop(length[0], length[c], 1, own, [&](V i, const Values& carried) {
          Values next = add(part(carried, 0), weights[c], i, carried.back(), 0);
          next.push_back(after(carried.back(), 1));
          return next;
        });
      }
      stream = own.back();
      sums_.finish(column[c], part(own, 0));
    }
    return stream;
  }

 private:
  static void append(Values& to, const Values& more) { to.insert(to.end(), more.begin(), more.end()); }
  Values part(const Values& state, std::size_t c) const {
    const auto begin = state.begin() + static_cast<std::ptrdiff_t>(c * parts_);
    return {begin, begin + static_cast<std::ptrdiff_t>(parts_)};
  }
  llvm::Type* index_type() const { return sums_.short_indices ? e_.i16 : e_.i32; }
  V after(V stream, unsigned count) { return e_.at(index_type(), stream, e_.number(count)); }
  Values add(const Values& sum, V weights, V i, V stream, unsigned which) {
    V sender = e_.b.CreateZExt(e_.load(index_type(), after(stream, which)), e_.i64);
    return sums_.add(sum, e_.load(sums_.weight_type, weights, i), sender);
  }

  Emitter& e_;
  const ColumnSums& sums_;
  unsigned columns_;
  std::size_t parts_;
};

/// Sums of the columns of a call; `sums_of` makes those of a panel.
void sum_columns(Emitter& e, const std::function<ColumnSums(V panel)>& sums_of) {
  const auto columns = static_cast<unsigned>(ColumnStream::tile(e.isa));
  constexpr std::int64_t block = ColumnStream::block;
  e.loop(e.begin, e.end, block, [&](V first) {
    V last = e.smaller(e.end, e.b.CreateAdd(first, e.number(block)));
    V whole = e.b.CreateSub(last, e.b.CreateAnd(e.b.CreateSub(last, first), e.number(columns - 1)));
    e.loop(e.number(0), e.panels, 1, [&](V panel) {
      const ColumnSums sums = sums_of(panel);
      V start = e.widened(e.load(e.i32, sums.offsets, first));
      V stream = e.at(sums.short_indices ? e.i16 : e.i32, sums.stream, start);
      ColumnTile tile(e, sums, columns), single(e, sums, 1);
      const Values rest = e.loop(first, whole, columns, {stream}, [&](V k, const Values& carried) -> Values {
        return {tile.emit(k, carried[0])};
      });
      e.loop(whole, last, 1, rest,
             [&](V k, const Values& carried) -> Values { return {single.emit(k, carried[0])}; });
    });
  });
}

}  // namespace

void generate(Emitter& e, const RealSparse& o) {
  V w = e.operand(0), offsets = e.operand(1), stream = e.operand(2), order = e.operand(3), h = e.operand(6);
  const SenderLanes x(e, o.x, e.operand(4), e.operand(5));
  sum_columns(e, [&](V panel) -> ColumnSums {
    const SenderLanes from = x.of_panel(panel, o.senders);
    V to = e.at(e.f32, h, e.scaled(panel, o.receivers * lanes));
    return {w,
            offsets,
            stream,
            order,
            e.f32,
            o.stream().short_indices(),
            {e.zeros(e.f32, width)},
            [&e, from](const Values& sum, V weight, V sender) -> Values {
              return {e.fma(from.at_stream(sender), e.splat(weight, width), sum[0])};
            },
            [&e, from, to](V column, const Values& sum) {
              e.store(from.finished(sum[0]), e.at(e.f32, to, e.scaled(column, lanes)));
            }};
  });
  e.finish(e.number(0));
}

void generate(Emitter& e, const ExactSparse& o) {
  V q = e.operand(0), offsets = e.operand(1), stream = e.operand(2), order = e.operand(3),
    plus = e.operand(4), h = e.operand(5);
  sum_columns(e, [&](V panel) -> ColumnSums {
    V masks = e.at(e.i16, plus, e.scaled(panel, o.senders));
    V to = e.at(e.i32, h, e.scaled(panel, o.receivers * lanes));
    V zeros = e.zeros(e.i32, width);
    // The lanes that are +1, twice, less all of them.
    return {q,
            offsets,
            stream,
            order,
            e.i32,
            o.stream().short_indices(),
            {zeros, zeros},
            [&e, masks](const Values& sum, V weight, V sender) -> Values {
              V amount = e.splat(weight, width);
              V where = e.lanes_of(e.load(e.i16, masks, sender));
              return {e.add_where(sum[0], where, amount), e.b.CreateAdd(sum[1], amount)};
            },
            [&e, to](V column, const Values& sum) {
              V field = e.at(e.i32, to, e.scaled(column, lanes));
              V message = e.b.CreateSub(e.b.CreateAdd(sum[0], sum[0]), sum[1]);
              e.store(message, field);
            }};
  });
  e.finish(e.number(0));
}

namespace {

/// The receivers of a sender, all lanes at once.
void advance_receivers(Emitter& e, V first, V last, V up, V down, int factor, V fields) {
  V q = e.operand(0), receiver = e.operand(3), entry = e.operand(4);
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
  V firsts = e.operand(1), lasts = e.operand(2), from_plus = e.operand(5), from_minus = e.operand(6),
    to_plus = e.operand(7), to_minus = e.operand(8), h = e.operand(9);
  const auto sender = [&](V panel, V j) {
    V at = e.scaled(panel, o.senders, j);
    V fp = e.load(e.i16, from_plus, at), fm = e.load(e.i16, from_minus, at);
    V tp = e.load(e.i16, to_plus, at), tm = e.load(e.i16, to_minus, at);
    V differs = e.b.CreateOr(e.b.CreateXor(fp, tp), e.b.CreateXor(fm, tm));
    e.when(e.b.CreateICmpNE(differs, e.b.getInt16(0)), [&] {
      const Change c = change_of(e, fp, fm, tp, tm);
      V first = e.widened(e.load(e.i32, firsts, j));
      V last = e.widened(e.load(e.i32, lasts, j));
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
