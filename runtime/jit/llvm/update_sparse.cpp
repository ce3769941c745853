// Correlation and step of sparse weights, a receiver's column at a time, entries in the lanes.
#include "runtime/jit/llvm/update.hpp"

namespace relaxon::jit {
namespace {

class SparseUpdate : UpdateParts {
 public:
  SparseUpdate(Emitter& e, const Update& o)
      : UpdateParts(e, o), offsets_(e.operand(3)), sender_(e.operand(4)) {
    if (by_bytes()) spare_ = b_.CreateAlloca(e.vector(e.i32, width));
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
        Progress p = silent(carried.back(), k, Progress::of(carried));
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

  /// Whole registers first: a load near a masked store waits for it.
  Progress column(V k, bool errs, Progress progress) {
    V first = offset(k), last = offset(b_.CreateAdd(k, e_.number(1)));
    V whole = b_.CreateSub(last, b_.CreateAnd(b_.CreateSub(last, first), e_.number(width - 1)));
    const Values done = e_.loop(first, whole, width, progress.values(), [&](V i, const Values& carried) {
      return some(k, i, nullptr, errs, Progress::of(carried)).values();
    });
    return Progress::of(e_.when(b_.CreateICmpSLT(whole, last), done, [&] {
      V left = e_.splat(b_.CreateTrunc(b_.CreateSub(last, whole), e_.i32), width);
      V mask = b_.CreateICmpSLT(e_.iota(width), left);
      return some(k, whole, mask, errs, Progress::of(done)).values();
    }));
  }

  /// A register of a column's entries from the i-th on; with a mask, only those.
  Progress some(V k, V i, V mask, bool errs, Progress progress) {
    V senders = nullptr;
    if (errs || o_.fixed_diagonal)
      senders = mask ? e_.load_where(e_.i32, mask, sender_, i) : e_.load_vector(e_.i32, width, sender_, i);
    V fixed = nullptr;
    if (o_.fixed_diagonal) fixed = b_.CreateICmpEQ(senders, e_.splat(b_.CreateTrunc(k, e_.i32), width));
    V all = mask ? mask : b_.CreateVectorSplat(width, b_.getTrue());
    V s = errs ? correlation(k, i, senders, all) : nullptr;
    return step_.at(i, s, mask, fixed, progress);
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

  V correlation(V k, V i, V senders, V mask) {
    switch (how_) {
      case Arithmetic::signs: return signs(k, senders, mask);
      case Arithmetic::pair_errors:
      case Arithmetic::pair_senders: return pairs(k, senders, mask);
      case Arithmetic::bytes: return to_floats(e_, bytes(k, i, senders, 1)[0]);
      case Arithmetic::byte_pairs: {
        const Values sums = bytes(k, i, senders, 2);
        return pair_sum(e_, sums[0], o_.v_a, sums[1], o_.v_b);
      }
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

  /// Sixteen senders from entry `i` on, as scalars. Those behind the column's last one may be others': they
  /// exist, too, and their lanes are left out in the end.
  Values scalar_senders(V i, V senders) {
    V beyond = b_.CreateAdd(i, e_.number(width));
    V inside = b_.CreateICmpSLE(beyond, offset(e_.number(o_.receivers)));
    e_.when(b_.CreateNot(inside), [&] { e_.store(senders, spare_); });
    V from = b_.CreateSelect(inside, e_.at(e_.i32, sender_, i), spare_);
    Values all;
    for (unsigned entry = 0; entry < width; ++entry)
      all.push_back(b_.CreateZExt(e_.load(e_.i32, from, e_.number(entry)), e_.i64));
    return all;
  }

  /// A panel's errors of receiver k as bytes, in each quarter of a register: -1, 0, 1, or whether they are
  /// plus and minus.
  V error_bytes(V p, V k, unsigned planes, unsigned plane) {
    const auto bytes = e_.vector(e_.i8, width);
    V plus = b_.CreateZExt(e_.lanes_of(v_plus(p, k)), bytes), minus = e_.lanes_of(v_minus(p, k));
    V errors = plane == 1    ? b_.CreateZExt(minus, bytes)
               : planes == 2 ? plus
                             : b_.CreateOr(plus, b_.CreateSExt(minus, bytes));
    std::vector<int> four(4 * width);
    for (std::size_t i = 0; i < four.size(); ++i) four[i] = static_cast<int>(i % width);
    return e_.bits_of(b_.CreateShuffleVector(errors, four), e_.vector(e_.i32, width));
  }

  /// The samples of four senders in one register.
  V four_senders(V panel, V a, V c, V d, V f) {
    Values rows;
    for (V sender : {a, c, d, f})
      rows.push_back(e_.load(e_.vector(e_.i8, width), e_.at(e_.i8, panel, e_.scaled(sender, lanes))));
    std::vector<int> two(2 * width), four(4 * width);
    for (std::size_t i = 0; i < two.size(); ++i) two[i] = static_cast<int>(i);
    for (std::size_t i = 0; i < four.size(); ++i) four[i] = static_cast<int>(i);
    V all = b_.CreateShuffleVector(b_.CreateShuffleVector(rows[0], rows[1], two),
                                   b_.CreateShuffleVector(rows[2], rows[3], two), four);
    return e_.bits_of(all, e_.vector(e_.i32, width));
  }

  /// Sums of bytes times errors, all samples of a sender at once: a sender's bytes lie side by side, and
  /// loading them costs less than gathering those with an error.
  Values bytes(V k, V i, V senders, unsigned planes) {
    const Values all = scalar_senders(i, senders);
    const Values none(4 * planes, e_.zeros(e_.i32, width));
    const Values parts = e_.loop(e_.number(0), e_.panels, 1, none, [&](V p, const Values& carried) {
      V panel = e_.at(e_.i8, u_plus_, e_.scaled(p, o_.senders * lanes));
      Values next = carried;
      for (unsigned part = 0; part < 4; ++part) {
        V u = four_senders(panel, all[part], all[4 + part], all[8 + part], all[12 + part]);
        for (unsigned plane = 0; plane < planes; ++plane) {
          V& sum = next[4 * plane + part];
          sum = e_.dot4(sum, u, error_bytes(p, k, planes, plane));
        }
      }
      return next;
    });
    Values sums;
    for (unsigned plane = 0; plane < planes; ++plane)
      sums.push_back(
          quarters(parts[4 * plane], parts[4 * plane + 1], parts[4 * plane + 2], parts[4 * plane + 3]));
    return sums;
  }

  /// The sums of four neighbours each: of quarter q of x_i, the result's word 4 q + i.
  V quarters(V x0, V x1, V x2, V x3) {
    const auto interleave = [&](V a, V c, unsigned first, unsigned step) {
      std::vector<int> which(width);
      for (unsigned i = 0; i < width; ++i) {
        const unsigned quarter = i / 4, word = i % 4;
        const bool second = step == 1 ? word % 2 == 1 : word >= 2;
        const unsigned from = step == 1 ? first + word / 2 : first + word % 2;
        which[i] = static_cast<int>(4 * quarter + from + (second ? width : 0));
      }
      return b_.CreateShuffleVector(a, c, which);
    };
    const auto added = [&](V a, V c, unsigned step) {
      return b_.CreateAdd(interleave(a, c, 0, step), interleave(a, c, 2, step));
    };
    return added(added(x0, x1, 1), added(x2, x3, 1), 2);
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

  V offsets_, sender_, spare_ = nullptr;
};

}  // namespace

void generate_sparse_update(Emitter& e, const Update& o) { SparseUpdate(e, o).run(); }

}  // namespace relaxon::jit
