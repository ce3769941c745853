// Correlation and step of sparse weights, a receiver's column at a time, entries in the lanes.
#include "runtime/jit/llvm/optimizer_step.hpp"
#include "runtime/jit/llvm/update.hpp"

namespace relaxon::jit {
namespace {

constexpr unsigned width = 16;

class SparseUpdate {
 public:
  SparseUpdate(Emitter& e, const Update& o)
      : e_(e), b_(e.b), o_(o), how_(arithmetic_of(o)), step_(e, o.rule) {
    offsets_ = e.operand(3);
    sender_ = e.operand(4);
    u_plus_ = e.operand(5);
    u_minus_ = e.operand(6);
    v_plus_ = e.operand(7);
    v_minus_ = e.operand(8);
    // Quads of a column that hold an error: where their bytes begin, and the errors as bytes.
    const auto room = static_cast<unsigned>(4 * Update::most_panels);
    if (how_ == Arithmetic::bytes) {
      quad_bytes_ = b_.CreateAlloca(e.i64, e.word(room));
      quad_errors_ = b_.CreateAlloca(e.i32, e.word(room));
    }
  }

  void run() {
    Progress progress = o_.fixed_diagonal ? by_columns() : by_stretches();
    step_.report(progress);
    e_.finish(e_.number(0));
  }

 private:
  /// Columns with an error one by one, the stretches between them as a whole.
  Progress by_stretches() {
    Values starts = Progress::none(e_).values();
    starts.push_back(e_.begin);
    V beyond = b_.CreateAdd(e_.end, e_.number(1));
    const Values done = e_.loop(e_.begin, beyond, 1, starts, [&](V k, const Values& carried) {
      V exists = b_.CreateICmpSLT(k, e_.end);
      V erring = errs(b_.CreateSelect(exists, k, e_.begin));
      V stop = b_.CreateOr(b_.CreateNot(exists), erring);
      return e_.when(stop, carried, [&] {
        Progress p = silent(carried[2], k, Progress::of(carried));
        Values next = e_.when(exists, p.values(), [&] { return column(k, true, p).values(); });
        next.push_back(b_.CreateAdd(k, e_.number(1)));
        return next;
      });
    });
    return Progress::of(done);
  }

  Progress silent(V from, V to, Progress progress) {
    V moves = b_.CreateAnd(step_.moves_silently(), b_.CreateICmpSLT(from, to));
    return Progress::of(e_.when(moves, progress.values(),
                                [&] { return step_.silent(offset(from), offset(to), progress).values(); }));
  }

  /// Every column by itself: entries on the diagonal never change.
  Progress by_columns() {
    return Progress::of(
        e_.loop(e_.begin, e_.end, 1, Progress::none(e_).values(), [&](V k, const Values& carried) {
          V erring = errs(k);
          const Values after =
              e_.when(erring, carried, [&] { return column(k, true, Progress::of(carried)).values(); });
          V moves = b_.CreateAnd(b_.CreateNot(erring), step_.moves_silently());
          return e_.when(moves, after, [&] { return column(k, false, Progress::of(after)).values(); });
        }));
  }

  V offset(V k) { return e_.widened(e_.load(e_.i32, offsets_, k)); }

  Progress column(V k, bool errs, Progress progress) {
    V last = offset(b_.CreateAdd(k, e_.number(1)));
    V quads = errs && how_ == Arithmetic::bytes ? list_quads(k) : nullptr;
    const Values result = e_.loop(offset(k), last, width, progress.values(), [&](V i, const Values& carried) {
      V left = e_.splat(b_.CreateTrunc(b_.CreateSub(last, i), e_.i32), width);
      V mask = b_.CreateICmpSLT(e_.iota(width), left);
      V senders = errs || o_.fixed_diagonal ? e_.load_where(e_.i32, mask, sender_, i) : nullptr;
      V fixed = nullptr;
      if (o_.fixed_diagonal) fixed = b_.CreateICmpEQ(senders, e_.splat(b_.CreateTrunc(k, e_.i32), width));
      V s = errs ? correlation(k, senders, mask, quads) : nullptr;
      return step_.at(i, s, mask, fixed, Progress::of(carried)).values();
    });
    return Progress::of(result);
  }

  // Errors.

  V error_index(V p, V k) { return e_.scaled(p, o_.receivers, k); }
  V v_plus(V p, V k) { return e_.load(e_.i16, v_plus_, error_index(p, k)); }
  V v_minus(V p, V k) { return e_.load(e_.i16, v_minus_, error_index(p, k)); }

  /// Lanes of a panel in which receiver k has an error, as 16 bits.
  V erring_lanes(V p, V k) {
    if (o_.v != Errors::Kind::real) return b_.CreateOr(v_plus(p, k), v_minus(p, k));
    V x = e_.load_vector(e_.f32, width, v_plus_, e_.scaled(error_index(p, k), lanes));
    return e_.mask_of(b_.CreateFCmpUNE(x, e_.zeros(e_.f32, width)));
  }

  V errs(V k) {
    V any = e_.loop(e_.number(0), e_.panels, 1, {b_.getInt16(0)}, [&](V p, const Values& carried) -> Values {
      return {b_.CreateOr(carried[0], erring_lanes(p, k))};
    })[0];
    return b_.CreateICmpNE(any, b_.getInt16(0));
  }

  // S.

  V correlation(V k, V senders, V mask, V quads) {
    switch (how_) {
      case Arithmetic::signs: return signs(k, senders, mask);
      case Arithmetic::pair_errors:
      case Arithmetic::pair_senders: return pairs(k, senders, mask);
      case Arithmetic::bytes: return bytes(senders, mask, quads);
      case Arithmetic::byte_pairs: return byte_pairs(k, senders, mask);
      case Arithmetic::reals: return reals(k, senders, mask);
    }
    return nullptr;
  }

  /// The masks of a panel's senders in the low halves of words; the high ones hold anything. `plus` is
  /// followed by `minus`: words that begin in the one and end in the other touch nothing else.
  V masks(V plane, V p, V senders, V mask) {
    V panel = e_.scaled(p, o_.senders);
    if (plane == u_plus_) return e_.gather(e_.i16, e_.at(e_.i16, plane, panel), senders, mask);
    V before = e_.at(e_.i16, plane, b_.CreateSub(panel, e_.number(1)));
    return b_.CreateLShr(e_.gather(e_.i16, before, senders, mask), 16);
  }

  V signs(V k, V senders, V mask) {
    const Values sums = e_.loop(
        e_.number(0), e_.panels, 1, {e_.zeros(e_.i32, width)}, [&](V p, const Values& carried) -> Values {
          V plus = v_plus(p, k), both = b_.CreateOr(plus, v_minus(p, k));
          V up = masks(u_plus_, p, senders, mask);
          // A product is 1, less 2 where the signs differ.
          V differ = b_.CreateAnd(words_of(e_, both), b_.CreateXor(words_of(e_, plus), up));
          V all = e_.popcount(words_of(e_, both));
          V twice = b_.CreateShl(e_.popcount(differ), 1);
          return {b_.CreateAdd(carried[0], b_.CreateSub(all, twice))};
        });
    return to_floats(e_, sums[0]);
  }

  V pairs(V k, V senders, V mask) {
    const bool by_error = how_ == Arithmetic::pair_errors;
    V none = e_.zeros(e_.i32, width);
    const Values sums =
        e_.loop(e_.number(0), e_.panels, 1, {none, none}, [&](V p, const Values& carried) -> Values {
          V vp = words_of(e_, v_plus(p, k)), vm = words_of(e_, v_minus(p, k));
          V up = masks(u_plus_, p, senders, mask), um = masks(u_minus_, p, senders, mask);
          const auto count = [&](V x, V y) { return e_.popcount(b_.CreateAnd(x, y)); };
          V mixed_a = by_error ? count(vp, um) : count(vm, up);
          V mixed_b = by_error ? count(vm, up) : count(vp, um);
          return {b_.CreateSub(b_.CreateAdd(carried[0], count(vp, up)), mixed_a),
                  b_.CreateSub(b_.CreateAdd(carried[1], mixed_b), count(vm, um))};
        });
    return by_error ? pair_sum(e_, sums[0], o_.v_a, sums[1], o_.v_b)
                    : pair_sum(e_, sums[0], o_.u_a, sums[1], o_.u_b);
  }

  /// Lists the quads of a column that hold an error, nearly always one or two wherever they are; their
  /// number.
  V list_quads(V k) {
    return e_.loop(e_.number(0), e_.panels, 1, {e_.number(0)}, [&](V p, const Values& carried) -> Values {
      V plus = b_.CreateZExt(v_plus(p, k), e_.i32), minus = b_.CreateZExt(v_minus(p, k), e_.i32);
      V count = carried[0];
      for (unsigned quad = 0; quad < 4; ++quad) {
        V word =
            b_.CreateOr(byte_word(e_, plus, quad), b_.CreateMul(byte_word(e_, minus, quad), e_.word(0xff)));
        e_.store(e_.scaled(p, o_.senders * lanes, e_.number(4 * quad)), e_.at(e_.i64, quad_bytes_, count));
        e_.store(word, e_.at(e_.i32, quad_errors_, count));
        count = b_.CreateAdd(count, b_.CreateZExt(b_.CreateICmpNE(word, e_.word(0)), e_.i64));
      }
      return {count};
    })[0];
  }

  V bytes(V senders, V mask, V quads) {
    V rows = b_.CreateShl(senders, 4);
    return to_floats(e_, e_.loop(e_.number(0), quads, 1, {e_.zeros(e_.i32, width)},
                                 [&](V i, const Values& carried) -> Values {
                                   V from = e_.at(e_.i8, u_plus_, e_.load(e_.i64, quad_bytes_, i));
                                   V errors = e_.splat(e_.load(e_.i32, quad_errors_, i), width);
                                   return {e_.dot4(carried[0], e_.gather(e_.i8, from, rows, mask), errors)};
                                 })[0]);
  }

  V byte_pairs(V k, V senders, V mask) {
    V rows = b_.CreateShl(senders, 4), none = e_.zeros(e_.i32, width);
    const Values sums =
        e_.loop(e_.number(0), e_.panels, 1, {none, none}, [&](V p, const Values& carried) -> Values {
          V plus = b_.CreateZExt(v_plus(p, k), e_.i32), minus = b_.CreateZExt(v_minus(p, k), e_.i32);
          Values next = carried;
          for (unsigned quad = 0; quad < 4; ++quad) {
            V from = e_.at(e_.i8, u_plus_, e_.scaled(p, o_.senders * lanes, e_.number(4 * quad)));
            V four = e_.gather(e_.i8, from, rows, mask);
            next[0] = e_.dot4(next[0], four, e_.splat(byte_word(e_, plus, quad), width));
            next[1] = e_.dot4(next[1], four, e_.splat(byte_word(e_, minus, quad), width));
          }
          return next;
        });
    return pair_sum(e_, sums[0], o_.v_a, sums[1], o_.v_b);
  }

  /// One fused chain over the samples with an error, ascending.
  V reals(V k, V senders, V mask) {
    const auto samples = [&](V p, const Values& carried) -> Values {
      V erring = erring_lanes(p, k);
      V turns = b_.CreateZExt(e_.popcount(erring), e_.i64);
      const Values after =
          e_.loop(e_.number(0), turns, 1, {carried[0], erring}, [&](V, const Values& c) -> Values {
            V lane = b_.CreateBinaryIntrinsic(llvm::Intrinsic::cttz, c[1], b_.getTrue());
            V error = e_.splat(error_at(p, k, lane), width);
            V sum = e_.fma(values_at(p, lane, senders, mask), error, c[0]);
            return {sum, b_.CreateAnd(c[1], b_.CreateSub(c[1], b_.getInt16(1)))};
          });
      return {after[0]};
    };
    return e_.loop(e_.number(0), e_.panels, 1, {e_.zeros(e_.f32, width)}, samples)[0];
  }

  V error_at(V p, V k, V lane) {
    if (o_.v == Errors::Kind::real)
      return e_.load(e_.f32, v_plus_, e_.scaled(error_index(p, k), lanes, b_.CreateZExt(lane, e_.i64)));
    const bool pair = o_.v == Errors::Kind::pair;
    V is_plus = b_.CreateTrunc(b_.CreateLShr(v_plus(p, k), lane), b_.getInt1Ty());
    return b_.CreateSelect(is_plus, e_.real(pair ? o_.v_a : 1), e_.real(pair ? o_.v_b : -1));
  }

  /// What one sample's senders are.
  V values_at(V p, V lane, V senders, V mask) {
    V which = b_.CreateZExt(lane, e_.i64);
    if (o_.u == Sender::Kind::real) {
      V from = e_.at(e_.f32, u_plus_, e_.scaled(p, o_.senders * lanes, which));
      return e_.bits_of(e_.gather(e_.f32, from, b_.CreateShl(senders, 4), mask), e_.vector(e_.f32, width));
    }
    V shift = b_.CreateZExt(lane, e_.i32);
    if (o_.u == Sender::Kind::bytes) {
      V quad = b_.CreateAnd(which, e_.number(12));
      V from = e_.at(e_.i8, u_plus_, e_.scaled(p, o_.senders * lanes, quad));
      V four = e_.gather(e_.i8, from, b_.CreateShl(senders, 4), mask);
      V byte = b_.CreateLShr(four, e_.splat(b_.CreateShl(b_.CreateAnd(shift, e_.word(3)), 3), width));
      return to_floats(e_, b_.CreateAnd(byte, e_.splat(e_.word(255), width)));
    }
    const bool pair = o_.u == Sender::Kind::pair;
    const auto has = [&](V plane) {
      V bit = b_.CreateShl(e_.splat(e_.word(1), width), e_.splat(shift, width));
      return b_.CreateICmpNE(b_.CreateAnd(masks(plane, p, senders, mask), bit), e_.zeros(e_.i32, width));
    };
    V minus =
        b_.CreateSelect(has(u_minus_), e_.splat(e_.real(pair ? o_.u_b : -1), width), e_.zeros(e_.f32, width));
    return b_.CreateSelect(has(u_plus_), e_.splat(e_.real(pair ? o_.u_a : 1), width), minus);
  }

  Emitter& e_;
  llvm::IRBuilder<>& b_;
  const Update& o_;
  Arithmetic how_;
  OptimizerStep step_;
  V offsets_, sender_, u_plus_, u_minus_, v_plus_, v_minus_, quad_bytes_ = nullptr, quad_errors_ = nullptr;
};

}  // namespace

void generate_sparse_update(Emitter& e, const Update& o) { SparseUpdate(e, o).run(); }

}  // namespace relaxon::jit
