// Messages through sparse weights, receivers in the outer loop, a panel's samples in the lanes.
#include "runtime/jit/llvm/change.hpp"
#include "runtime/jit/llvm/generate.hpp"
#include "runtime/jit/llvm/real_sender.hpp"

namespace relaxon::jit {
namespace {

constexpr unsigned width = 16;

/// Sums over the columns of a sparse weight, of one panel or of some at once, in the order of a ColumnStream
/// (runtime/jit/operation.hpp).
struct ColumnSums {
  V weights, offsets, stream, order;  // operands
  llvm::Type* weight_type;
  bool short_indices;
  bool loads_together;  // senders of several columns; of masks there are too few registers to do it
  Values starts;        // what a column's sums begin as
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
      Values senders;
      for (unsigned c = 0; c < columns_; ++c) {
        if (c == senders.size()) append(senders, next_senders(after(carried.back(), c)));
        append(next, add(part(carried, c), weights[c], i, senders[c]));
      }
      next.push_back(after(carried.back(), columns_));
      return next;
    });
    stream = state.back();
    for (unsigned c = 0; c < columns_; ++c) {
      Values own = part(state, c);
      own.push_back(stream);
      if (c > 0) {
        own = e_.loop(length[0], length[c], 1, own, [&](V i, const Values& carried) {
          Values next = add(part(carried, 0), weights[c], i, sender_at(carried.back()));
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
  V sender_at(V stream) { return e_.b.CreateZExt(e_.load(index_type(), stream), e_.i64); }
  /// The senders that come next in the stream. As many as fit into a register are loaded at once and shifted
  /// apart, where loads are what a sum waits for.
  Values next_senders(V stream) {
    const unsigned bits = index_type()->getScalarSizeInBits();
    const unsigned count = sums_.loads_together && columns_ > 1 ? 64 / bits : 1;
    if (count == 1) return {sender_at(stream)};
    V all = e_.b.CreateBitCast(e_.load(e_.vector(index_type(), count), stream), e_.i64);
    Values each;
    for (unsigned i = 0; i < count; ++i)
      each.push_back(e_.b.CreateAnd(e_.b.CreateLShr(all, i * bits), (std::uint64_t{1} << bits) - 1));
    return each;
  }
  Values add(const Values& sum, V weights, V i, V sender) {
    return sums_.add(sum, e_.load(sums_.weight_type, weights, i), sender);
  }

  Emitter& e_;
  const ColumnSums& sums_;
  unsigned columns_;
  std::size_t parts_;
};

/// The sums of columns first .. last - 1, a block or what is left of one.
void sum_block(Emitter& e, const ColumnSums& sums, V first, V last) {
  const auto columns = static_cast<unsigned>(ColumnStream::tile(e.isa));
  V whole = e.b.CreateSub(last, e.b.CreateAnd(e.b.CreateSub(last, first), e.number(columns - 1)));
  V start = e.widened(e.load(e.i32, sums.offsets, first));
  V stream = e.at(sums.short_indices ? e.i16 : e.i32, sums.stream, start);
  ColumnTile tile(e, sums, columns), single(e, sums, 1);
  const Values rest = e.loop(first, whole, columns, {stream}, [&](V k, const Values& carried) -> Values {
    return {tile.emit(k, carried[0])};
  });
  e.loop(whole, last, 1, rest,
         [&](V k, const Values& carried) -> Values { return {single.emit(k, carried[0])}; });
}

/// Sums of the columns of a call; `sums_of` makes those of so many panels. Two of them share what is loaded
/// of a connection, where there are registers for the sums of both.
void sum_columns(Emitter& e, const std::function<ColumnSums(V panel, unsigned panels)>& sums_of) {
  constexpr std::int64_t block = ColumnStream::block;
  const bool pairs = e.isa == Isa::avx512;
  V paired = pairs ? e.b.CreateAnd(e.panels, e.number(-2)) : e.number(0);
  e.loop(e.begin, e.end, block, [&](V first) {
    V last = e.smaller(e.end, e.b.CreateAdd(first, e.number(block)));
    if (pairs) e.loop(e.number(0), paired, 2, [&](V panel) { sum_block(e, sums_of(panel, 2), first, last); });
    e.loop(paired, e.panels, 1, [&](V panel) { sum_block(e, sums_of(panel, 1), first, last); });
  });
}

}  // namespace

namespace {

/// The sums of a real-valued message in some panels.
class RealColumns {
 public:
  RealColumns(Emitter& e, const RealSparse& o) : e_(e), o_(o), x_(e, o.x, e.operand(4), e.operand(5)) {}

  /// Puts the bytes of each two panels side by side: as bfloat16 numbers, the first panel's in the upper half
  /// of a word. A load brings both, and they are floats for one operation each.
  void join_panels() {
    e_.loop(e_.number(0), e_.b.CreateLShr(e_.panels, 1), 1, [&](V pair) {
      const SenderLanes first = x_.of_panel(e_.b.CreateShl(pair, 1), o_.senders);
      const SenderLanes second = first.of_panel(e_.number(1), o_.senders);
      e_.loop(e_.number(0), e_.number(o_.senders), 1, [&](V j) {
        V low = e_.b.CreateLShr(words(second.at(j)), 16);
        e_.store(e_.b.CreateOr(words(first.at(j)), low), e_.at(e_.i32, joined(pair), e_.scaled(j, lanes)));
      });
    });
  }

  ColumnSums of(V panel, unsigned panels) {
    V to = e_.at(e_.f32, e_.operand(6), e_.scaled(panel, o_.receivers * lanes));
    return {e_.operand(0),
            e_.operand(1),
            e_.operand(2),
            e_.operand(3),
            e_.f32,
            o_.stream().short_indices(),
            e_.isa == Isa::avx512 && !o_.x.planes(),
            Values(panels, e_.zeros(e_.f32, width)),
            adder(panel, panels),
            [this, to](V column, const Values& sum) { finish(column, sum, to); }};
  }

 private:
  using Add = std::function<Values(Values sum, V weight, V sender)>;

  V words(V floats) { return e_.bits_of(floats, e_.vector(e_.i32, width)); }
  V floats(V words) { return e_.bits_of(words, e_.vector(e_.f32, width)); }
  V joined(V pair) { return e_.at(e_.i32, e_.operand(7), e_.scaled(pair, o_.senders * lanes)); }

  Add adder(V panel, unsigned panels) {
    if (panels == 2 && o_.joins_panels(e_.isa)) {
      return
          [this, from = joined(e_.b.CreateLShr(panel, 1))](const Values& sum, V weight, V sender) -> Values {
            V both = e_.load(e_.vector(e_.i32, width), e_.at(e_.i64, from, sender));
            V splat = e_.splat(weight, width);
            V first = e_.b.CreateAnd(both, e_.splat(e_.word(0xffff0000), width));
            return {e_.fma(floats(first), splat, sum[0]),
                    e_.fma(floats(e_.b.CreateShl(both, 16)), splat, sum[1])};
          };
    }
    return [this, from = x_.of_panel(panel, o_.senders)](Values sum, V weight, V sender) -> Values {
      for (std::size_t p = 0; p < sum.size(); ++p) {
        const SenderLanes own = from.of_panel(e_.number(static_cast<std::int64_t>(p)), o_.senders);
        sum[p] = e_.fma(own.at_stream(sender), e_.splat(weight, width), sum[p]);
      }
      return sum;
    };
  }

  void finish(V column, const Values& sum, V to) {
    for (std::size_t p = 0; p < sum.size(); ++p) {
      const auto before = static_cast<std::int64_t>(p) * o_.receivers * lanes;
      e_.store(x_.finished(sum[p]), e_.at(e_.f32, to, e_.scaled(column, lanes, e_.number(before))));
    }
  }

  Emitter& e_;
  const RealSparse& o_;
  SenderLanes x_;
};

}  // namespace

void generate(Emitter& e, const RealSparse& o) {
  RealColumns columns(e, o);
  if (o.joins_panels(e.isa)) columns.join_panels();
  sum_columns(e, [&](V panel, unsigned panels) { return columns.of(panel, panels); });
  e.finish(e.number(0));
}

void generate(Emitter& e, const ExactSparse& o) {
  V q = e.operand(0), offsets = e.operand(1), stream = e.operand(2), order = e.operand(3),
    plus = e.operand(4), h = e.operand(5), base = e.operand(6);
  V nothing = e.b.CreateIsNull(base);
  // What is there already counts for nothing.
  V below = e.b.CreateSelect(nothing, h, base);
  V counts = e.splat(e.b.CreateSelect(nothing, e.word(0), e.word(-1)), width);
  sum_columns(e, [&](V panel, unsigned panels) -> ColumnSums {
    V masks = e.at(e.i16, plus, e.scaled(panel, o.senders));
    V before_panel = e.scaled(panel, o.receivers * lanes);
    V from = e.at(e.i32, below, before_panel), to = e.at(e.i32, h, before_panel);
    // The lanes that are +1 of each panel, twice, less all of them.
    return {q,
            offsets,
            stream,
            order,
            e.i32,
            o.stream().short_indices(),
            false,
            Values(panels + 1, e.zeros(e.i32, width)),
            [&e, &o, masks](Values sum, V weight, V sender) -> Values {
              V amount = e.splat(weight, width);
              for (std::size_t p = 0; p + 1 < sum.size(); ++p) {
                V own = e.at(e.i16, masks, e.number(static_cast<std::int64_t>(p) * o.senders));
                sum[p] = e.add_where(sum[p], e.lanes_of(e.load(e.i16, own, sender)), amount);
              }
              sum.back() = e.b.CreateAdd(sum.back(), amount);
              return sum;
            },
            [&e, &o, from, to, counts](V column, const Values& sum) {
              for (std::size_t p = 0; p + 1 < sum.size(); ++p) {
                V at = e.scaled(column, lanes, e.number(static_cast<std::int64_t>(p) * o.receivers * lanes));
                V message = e.b.CreateSub(e.b.CreateAdd(sum[p], sum[p]), sum.back());
                V old = e.b.CreateAnd(e.load_vector(e.i32, width, from, at), counts);
                e.store(e.b.CreateAdd(old, message), e.at(e.i32, to, at));
              }
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

/// A change of senders through a sparse weight, as runtime/kernels/advance.hpp has it: whoever changed is
/// listed first; few lanes of a sender move one at a time, more of them by the register.
class SparseAdvance {
 public:
  SparseAdvance(Emitter& e, const AdvanceSparse& o)
      : e_(e),
        senders_(o.senders),
        receivers_(o.receivers),
        changed_(e.memory(e.i32, block + lanes)),
        moves_(e.memory(e.vector(e.i32, 4), block * few_lanes)) {}

  void emit() {
    e_.loop(e_.number(0), e_.panels, 1, [&](V panel) {
      fields_ = e_.at(e_.i32, e_.operand(9), e_.scaled(panel, receivers_ * lanes));
      row_ = e_.scaled(panel, senders_);
      e_.loop(e_.number(0), e_.number(senders_), block, [&](V first) {
        V stop = e_.smaller(e_.b.CreateAdd(first, e_.number(block)), e_.number(senders_));
        V count = list(first, stop);
        V moving = e_.loop(e_.number(0), count, 1, {e_.number(0)}, [&](V i, const Values& carried) -> Values {
          return {sender(e_.widened(e_.load(e_.i32, changed_, i)), carried[0])};
        })[0];
        e_.loop(e_.number(0), moving, 1, [&](V i) { move(i); });
      });
    });
  }

 private:
  static constexpr unsigned block = 512, few_lanes = 2;

  V mask(unsigned operand, V at) { return e_.load(e_.i16, e_.operand(operand), at); }

  /// Lists the senders first .. stop - 1 that changed; how many.
  V list(V first, V stop) {
    V whole = e_.smaller(stop, e_.number(senders_ / lanes * lanes));
    V count = e_.loop(first, whole, lanes, {e_.number(0)}, [&](V j, const Values& carried) -> Values {
      V at = e_.b.CreateAdd(row_, j);
      const auto differing = [&](unsigned a, unsigned c) {
        return e_.b.CreateXor(e_.load_vector(e_.i16, lanes, e_.operand(a), at),
                              e_.load_vector(e_.i16, lanes, e_.operand(c), at));
      };
      V any = e_.b.CreateICmpNE(e_.b.CreateOr(differing(5, 7), differing(6, 8)), e_.zeros(e_.i16, lanes));
      V numbers = e_.b.CreateAdd(e_.iota(lanes), e_.splat(e_.b.CreateTrunc(j, e_.i32), lanes));
      return {e_.append_where(numbers, any, changed_, carried[0])};
    })[0];
    if (senders_ % lanes == 0) return count;
    // The last few are all taken for changed: that costs nothing but their masks.
    V rest = e_.b.CreateSelect(e_.b.CreateICmpEQ(stop, e_.number(senders_)), e_.number(senders_ % lanes),
                               e_.number(0));
    return e_.loop(e_.number(0), rest, 1, {count}, [&](V i, const Values& carried) -> Values {
      V j = e_.b.CreateAdd(e_.b.CreateTrunc(i, e_.i32), e_.word(senders_ / lanes * lanes));
      e_.store(j, e_.at(e_.i32, changed_, carried[0]));
      return {e_.b.CreateAdd(carried[0], e_.number(1))};
    })[0];
  }

  /// Moves many lanes of sender j, or lists what few do; how many moves are listed then.
  V sender(V j, V moving) {
    auto& b = e_.b;
    V at = b.CreateAdd(row_, j);
    V from_plus = mask(5, at), from_minus = mask(6, at), to_plus = mask(7, at), to_minus = mask(8, at);
    V differing = b.CreateOr(b.CreateXor(from_plus, to_plus), b.CreateXor(from_minus, to_minus));
    V many = b.CreateICmpUGT(e_.popcount(differing), b.getInt16(few_lanes));
    V first = e_.load(e_.i32, e_.operand(1), j), last = e_.load(e_.i32, e_.operand(2), j);
    e_.when(many, [&] {
      const Change c = change_of(e_, from_plus, from_minus, to_plus, to_minus);
      const auto all = [&](V up, V down, int factor) {
        e_.when(b.CreateICmpNE(b.CreateOr(up, down), b.getInt16(0)), [&] {
          advance_receivers(e_, e_.widened(first), e_.widened(last), up, down, factor, fields_);
        });
      };
      all(c.twice_up, c.twice_down, 2);
      all(c.once_up, c.once_down, 1);
    });
    V left = b.CreateSelect(many, b.getInt16(0), differing);
    return e_.for_each_bit(left, {moving}, [&](V lane, const Values& carried) -> Values {
      V position = b.CreateTrunc(lane, e_.i32);
      const auto bit = [&](V plane) {
        return b.CreateAnd(b.CreateLShr(b.CreateZExt(plane, e_.i32), position), e_.word(1));
      };
      V amount =
          b.CreateSub(b.CreateSub(bit(to_plus), bit(to_minus)), b.CreateSub(bit(from_plus), bit(from_minus)));
      V move = e_.zeros(e_.i32, 4);
      const Values parts{first, last, position, amount};
      for (unsigned i = 0; i < 4; ++i) move = b.CreateInsertElement(move, parts[i], i);
      e_.store(move, e_.at(e_.vector(e_.i32, 4), moves_, carried[0]));
      return {b.CreateAdd(carried[0], e_.number(1))};
    })[0];
  }

  /// One listed move: a sender's receivers in one lane.
  void move(V i) {
    auto& b = e_.b;
    V parts = e_.load(e_.vector(e_.i32, 4), moves_, i);
    const auto part = [&](unsigned p) { return b.CreateExtractElement(parts, p); };
    V fields = e_.at(e_.i32, fields_, e_.widened(part(2)));
    V amount = part(3);
    e_.loop(e_.widened(part(0)), e_.widened(part(1)), 1, [&](V entry) {
      V weight = e_.load(e_.i32, e_.operand(0), e_.widened(e_.load(e_.i32, e_.operand(4), entry)));
      V to = e_.at(e_.i32, fields, e_.scaled(e_.widened(e_.load(e_.i32, e_.operand(3), entry)), lanes));
      e_.store(b.CreateAdd(e_.load(e_.i32, to), b.CreateMul(weight, amount)), to);
    });
  }

  Emitter& e_;
  std::int64_t senders_, receivers_;
  V changed_, moves_;
  V fields_ = nullptr, row_ = nullptr;  // of the panel at work
};

}  // namespace

void generate(Emitter& e, const AdvanceSparse& o) {
  SparseAdvance(e, o).emit();
  e.finish(e.number(0));
}

}  // namespace relaxon::jit
