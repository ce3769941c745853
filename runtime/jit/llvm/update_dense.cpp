// Correlation and step of dense weights, a sender's row at a time, receivers in the lanes.
#include "runtime/jit/llvm/update.hpp"

namespace relaxon::jit {
namespace {

class DenseUpdate : UpdateParts {
 public:
  DenseUpdate(Emitter& e, const Update& o)
      : UpdateParts(e, o), stride_((o.receivers + 15) / 16 * 16), errors_(e.operand(11)) {}

  void run() {
    V erring = lay_out();
    V needed = b_.CreateOr(erring, step_.moves_silently());
    const Values moved = e_.when(needed, Progress::none(e_).values(), [&] {
      return e_.loop(e_.begin, e_.end, 1, Progress::none(e_).values(),
                     [&](V j, const Values& carried) { return row(j, Progress::of(carried)).values(); });
    });
    step_.report(Progress::of(moved));
    e_.finish(e_.number(0));
  }

 private:
  // The errors are laid out once a call, receivers innermost, so that rows read whole
  // registers; what lies beyond the last receiver is 0.

  /// Masks of a panel's receivers from k on: plane 0 or 1.
  V masks(unsigned plane, V p, V k) {
    V at = b_.CreateAdd(b_.CreateMul(e_.number(plane), e_.panels), p);
    return e_.at(e_.i16, errors_, e_.scaled(at, stride_, k));
  }
  /// Values of four samples as bytes, a word a receiver.
  V quads(unsigned plane, V p, unsigned quad, V k) {
    V at = b_.CreateAdd(b_.CreateMul(e_.number(plane), e_.panels), p);
    return e_.at(e_.i32, errors_, e_.scaled(e_.scaled(at, 4, e_.number(quad)), stride_, k));
  }
  /// Values of one sample.
  V sample(V p, V lane, V k) {
    return e_.at(e_.f32, errors_, e_.scaled(e_.scaled(p, lanes, lane), stride_, k));
  }

  /// Whether there is any error at all.
  V lay_out() {
    const auto panel = [&](V p, const Values& carried) {
      const Values any =
          e_.loop(e_.number(0), e_.number(o_.receivers), 1, carried, [&](V k, const Values& c) -> Values {
            return {b_.CreateOr(c[0], lay_out(p, k, e_.scaled(p, o_.receivers, k)))};
          });
      e_.loop(e_.number(o_.receivers), e_.number(stride_), 1, [&](V k) { lay_out(p, k, nullptr); });
      return any;
    };
    const Values any = e_.loop(e_.number(0), e_.panels, 1, {b_.getInt16(0)}, panel);
    return b_.CreateICmpNE(any[0], b_.getInt16(0));
  }

  /// One receiver of a panel, `at` among its errors or beyond the last one; its lanes with an error.
  V lay_out(V p, V k, V at) {
    if (o_.v == Errors::Kind::real) {
      V x = at ? e_.load_vector(e_.f32, width, v_plus_, e_.scaled(at, lanes)) : e_.zeros(e_.f32, width);
      for (unsigned lane = 0; lane < width; ++lane)
        e_.store(b_.CreateExtractElement(x, lane), sample(p, e_.number(lane), k));
      return e_.mask_of(b_.CreateFCmpUNE(x, e_.zeros(e_.f32, width)));
    }
    V plus = at ? e_.load(e_.i16, v_plus_, at) : b_.getInt16(0);
    V minus = at ? e_.load(e_.i16, v_minus_, at) : b_.getInt16(0);
    V any = b_.CreateOr(plus, minus);
    if (how_ == Arithmetic::reals) {
      lay_out_numbers(p, k, plus, minus);
    } else if (by_bytes()) {
      lay_out_bytes(p, k, b_.CreateZExt(plus, e_.i32), b_.CreateZExt(minus, e_.i32));
    } else {
      e_.store(plus, masks(0, p, k));
      e_.store(how_ == Arithmetic::signs ? any : minus, masks(1, p, k));
    }
    return any;
  }

  void lay_out_numbers(V p, V k, V plus, V minus) {
    const bool pair = o_.v == Errors::Kind::pair;
    for (unsigned lane = 0; lane < width; ++lane) {
      const auto has = [&](V mask) {
        return b_.CreateICmpNE(b_.CreateAnd(mask, b_.getInt16(static_cast<std::uint16_t>(1u << lane))),
                               b_.getInt16(0));
      };
      V value = b_.CreateSelect(has(minus), e_.real(pair ? o_.v_b : -1), e_.real(0));
      e_.store(b_.CreateSelect(has(plus), e_.real(pair ? o_.v_a : 1), value), sample(p, e_.number(lane), k));
    }
  }

  void lay_out_bytes(V p, V k, V plus, V minus) {
    for (unsigned quad = 0; quad < 4; ++quad) {
      V up = byte_word(e_, plus, quad), down = byte_word(e_, minus, quad);
      if (how_ == Arithmetic::byte_pairs) {
        e_.store(up, quads(0, p, quad, k));
        e_.store(down, quads(1, p, quad, k));
      } else {
        e_.store(b_.CreateOr(up, b_.CreateMul(down, e_.word(0xff))), quads(0, p, quad, k));
      }
    }
  }

  // Rows.

  Progress row(V j, Progress progress) {
    const std::int64_t whole = o_.receivers / width * width;
    const std::int64_t together = how_ == Arithmetic::reals ? 4 : 1;
    const std::int64_t tiled = whole / (together * width) * (together * width);
    V base = b_.CreateMul(j, e_.number(stride_));
    const auto tiles = [&](std::int64_t from, std::int64_t to, std::int64_t count) {
      if (from == to) return;
      progress = Progress::of(e_.loop(
          e_.number(from), e_.number(to), count * width, progress.values(), [&](V k, const Values& carried) {
            return tile(j, base, k, static_cast<unsigned>(count), nullptr, Progress::of(carried)).values();
          }));
    };
    tiles(0, tiled, together);
    tiles(tiled, whole, 1);
    if (whole == o_.receivers) return progress;
    V rest = e_.splat(e_.word(o_.receivers - whole), width);
    return tile(j, base, e_.number(whole), 1, b_.CreateICmpULT(e_.iota(width), rest), progress);
  }

  /// `count` registers of receivers side by side.
  Progress tile(V j, V base, V k, unsigned count, V mask, Progress progress) {
    Values s = how_ == Arithmetic::reals ? reals(j, k, count) : Values{correlation(j, k)};
    for (unsigned i = 0; i < count; ++i) {
      V first = b_.CreateAdd(k, e_.number(i * width));
      V fixed = nullptr;
      if (o_.fixed_diagonal) {
        V receiver = b_.CreateAdd(e_.splat(b_.CreateTrunc(first, e_.i32), width), e_.iota(width));
        fixed = b_.CreateICmpEQ(receiver, e_.splat(b_.CreateTrunc(j, e_.i32), width));
      }
      progress = step_.at(b_.CreateAdd(base, first), s[i], mask, fixed, progress);
    }
    return progress;
  }

  V correlation(V j, V k) {
    switch (how_) {
      case Arithmetic::signs: return signs(j, k);
      case Arithmetic::pair_errors:
      case Arithmetic::pair_senders: return pairs(j, k);
      case Arithmetic::bytes: return to_floats(e_, bytes(j, k, 1)[0]);
      case Arithmetic::byte_pairs: {
        const Values sums = bytes(j, k, 2);
        return pair_sum(e_, sums[0], o_.v_a, sums[1], o_.v_b);
      }
      case Arithmetic::reals: break;
    }
    return nullptr;
  }

  V sender_index(V p, V j) { return e_.scaled(p, o_.senders, j); }
  V sender_mask(V plane, V p, V j) { return words_of(e_, e_.load(e_.i16, plane, sender_index(p, j))); }
  V widened_masks(unsigned plane, V p, V k) {
    return b_.CreateZExt(e_.load(e_.vector(e_.i16, width), masks(plane, p, k)), e_.vector(e_.i32, width));
  }

  V signs(V j, V k) {
    const Values sums = e_.loop(e_.number(0), e_.panels, 1, {e_.zeros(e_.i32, width)},
                                [&](V p, const Values& carried) -> Values {
                                  V both = widened_masks(1, p, k);
                                  V mixed = b_.CreateXor(widened_masks(0, p, k), sender_mask(u_plus_, p, j));
                                  V twice = b_.CreateShl(e_.popcount(b_.CreateAnd(both, mixed)), 1);
                                  return {b_.CreateAdd(carried[0], b_.CreateSub(e_.popcount(both), twice))};
                                });
    return to_floats(e_, sums[0]);
  }

  V pairs(V j, V k) {
    const bool by_error = how_ == Arithmetic::pair_errors;
    V none = e_.zeros(e_.i32, width);
    const Values sums =
        e_.loop(e_.number(0), e_.panels, 1, {none, none}, [&](V p, const Values& carried) -> Values {
          V vp = widened_masks(0, p, k), vm = widened_masks(1, p, k);
          V up = sender_mask(u_plus_, p, j), um = sender_mask(u_minus_, p, j);
          const auto count = [&](V x, V y) { return e_.popcount(b_.CreateAnd(x, y)); };
          V mixed_a = by_error ? count(vp, um) : count(vm, up);
          V mixed_b = by_error ? count(vm, up) : count(vp, um);
          return {b_.CreateSub(b_.CreateAdd(carried[0], count(vp, up)), mixed_a),
                  b_.CreateSub(b_.CreateAdd(carried[1], mixed_b), count(vm, um))};
        });
    return by_error ? pair_sum(e_, sums[0], o_.v_a, sums[1], o_.v_b)
                    : pair_sum(e_, sums[0], o_.u_a, sums[1], o_.u_b);
  }

  Values bytes(V j, V k, unsigned planes) {
    const Values none(planes, e_.zeros(e_.i32, width));
    return e_.loop(e_.number(0), e_.panels, 1, none, [&](V p, const Values& carried) {
      Values next = carried;
      for (unsigned quad = 0; quad < 4; ++quad) {
        V four =
            e_.load(e_.i32, e_.at(e_.i8, u_plus_, e_.scaled(sender_index(p, j), lanes, e_.number(4 * quad))));
        for (unsigned plane = 0; plane < planes; ++plane) {
          V errors = e_.load(e_.vector(e_.i32, width), quads(plane, p, quad, k));
          next[plane] = e_.dot4(next[plane], e_.splat(four, width), errors);
        }
      }
      return next;
    });
  }

  /// One fused chain over all samples; those without an error add 0.
  Values reals(V j, V k, unsigned count) {
    const Values none(count, e_.zeros(e_.f32, width));
    return e_.loop(e_.number(0), e_.panels, 1, none, [&](V p, const Values& start) {
      return e_.loop(e_.number(0), e_.number(lanes), 1, start, [&](V lane, const Values& carried) {
        V u = e_.splat(sender_at(sender_index(p, j), lane), width);
        Values next;
        for (unsigned i = 0; i < count; ++i) {
          V v = e_.load(e_.vector(e_.f32, width), sample(p, lane, b_.CreateAdd(k, e_.number(i * width))));
          next.push_back(e_.fma(u, v, carried[i]));
        }
        return next;
      });
    });
  }

  V sender_at(V at, V lane) {
    V number = e_.scaled(at, lanes, lane);
    if (o_.u == Sender::Kind::real) return e_.load(e_.f32, u_plus_, number);
    if (o_.u == Sender::Kind::bytes) return b_.CreateUIToFP(e_.load(e_.i8, u_plus_, number), e_.f32);
    const bool pair = o_.u == Sender::Kind::pair;
    V shift = b_.CreateTrunc(lane, e_.i16);
    const auto has = [&](V plane) {
      return b_.CreateTrunc(b_.CreateLShr(e_.load(e_.i16, plane, at), shift), b_.getInt1Ty());
    };
    V minus = b_.CreateSelect(has(u_minus_), e_.real(pair ? o_.u_b : -1), e_.real(0));
    return b_.CreateSelect(has(u_plus_), e_.real(pair ? o_.u_a : 1), minus);
  }

  std::int64_t stride_;
  V errors_;
};

}  // namespace

void generate_dense_update(Emitter& e, const Update& o) { DenseUpdate(e, o).run(); }

}  // namespace relaxon::jit
