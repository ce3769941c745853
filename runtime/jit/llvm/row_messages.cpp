// Exact messages of dense weights, a sample at a time: rows of q are added where the sender is +1, taken away
// where it is -1. Where every sender is one or the other, a message is another sample's and twice what the
// senders add that differ.
#include <algorithm>

#include "runtime/jit/llvm/generate.hpp"
#include "runtime/jit/llvm/row_tiles.hpp"

namespace relaxon::jit {
namespace {

constexpr std::int64_t width = 16;

/// Senders whose rows, a tile wide, stay in the first cache from sample to sample.
constexpr std::int64_t sender_block = SenderBlock::count;

/// Panels that use a block of rows while it is cached.
constexpr std::int64_t most_panels = 8;

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
    base_ = e.operand(4);
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
  V place(V panel, V lane, V k) { return e_.scaled(e_.scaled(panel, lanes, lane), stride_, k); }

  /// One plane after the other: what the senders that are +1 add, then, unless all are signs, what those that
  /// are -1 do.
  void for_each_plane(const std::function<void(V first, V plane)>& body) {
    e_.loop(b_.CreateZExt(signs_, e_.i64), e_.number(2), 1, [&](V turn) {
      V minus = b_.CreateAnd(b_.CreateICmpEQ(turn, e_.number(1)), b_.CreateNot(signs_));
      body(b_.CreateNot(minus), b_.CreateSelect(minus, minus_, plus_));
    });
  }

  /// Up to `most_panels` panels use a block of rows while it is cached.
  void many_receivers() {
    words_ = e_.scratch(e_.i64, most_panels * lanes);
    orders_ = e_.scratch(e_.i32, most_panels * lanes);
    apart_ = e_.scratch(e_.i32, lanes * lanes);
    e_.loop(e_.number(0), e_.panels, most_panels, [&](V first_panel) {
      V count = e_.smaller(b_.CreateSub(e_.panels, first_panel), e_.number(most_panels));
      const auto each = [&](const std::function<void(V, V)>& body) {
        e_.loop(e_.number(0), count, 1, [&](V p) { body(p, b_.CreateAdd(first_panel, p)); });
      };
      for_each_plane([&](V first, V plane) {
        each([&](V p, V panel) { order_samples(plane, p, panel); });
        e_.loop(e_.begin, e_.end, sender_block, [&](V j) {
          each([&](V p, V panel) { spread(plane, panel, j, words_of(p)); });
          for_each_tile(e_, o_.receivers,
                        [&](V k, std::int64_t registers) { tile(first, j, k, registers, each); });
        });
      });
    });
  }

  V words_of(V p) { return e_.at(e_.i64, words_, e_.scaled(p, lanes)); }
  V lane_of(V p, V i) { return b_.CreateZExt(e_.load(e_.i32, order_of(p), i), e_.i64); }
  V order_of(V p) { return e_.at(e_.i32, orders_, e_.scaled(p, lanes)); }

  /// Bits of the senders of a block, a word a sample.
  void spread(V plane, V panel, V j, V words) {
    const SenderBlock block(e_, o_.senders, panel, j);
    block.spread(block.masks(plane), words);
  }

  /// An order of a panel's samples in which neighbours are alike: each is followed by the nearest of those
  /// that are left, starting with the one that has the fewest senders on.
  void order_samples(V plane, V p, V panel) {
    V words = words_of(p);
    const auto count = [&](V bits) { return b_.CreateTrunc(e_.popcount(bits), e_.vector(e_.i32, lanes)); };
    V none = e_.zeros(e_.i32, lanes);
    e_.loop(e_.number(0), e_.number(lanes), 1,
            [&](V i) { e_.store(none, e_.at(e_.i32, apart_, e_.scaled(i, lanes))); });
    V fewest = e_.loop(e_.begin, e_.end, sender_block, {none}, [&](V j, const Values& carried) -> Values {
      spread(plane, panel, j, words);
      V all = e_.load_vector(e_.i64, lanes, words, e_.number(0));
      e_.loop(e_.number(0), e_.number(lanes), 1, [&](V i) {
        V to = e_.at(e_.i32, apart_, e_.scaled(i, lanes));
        V differ = b_.CreateXor(all, e_.splat(e_.load(e_.i64, words, i), lanes));
        e_.store(b_.CreateAdd(e_.load(e_.vector(e_.i32, lanes), to), count(differ)), to);
      });
      return {b_.CreateAdd(carried[0], count(all))};
    })[0];
    // A distance and its sample in one number: the smallest says which.
    V samples = samples_of(e_, panel), own = e_.iota(lanes), most = e_.splat(e_.word(INT32_MAX), lanes);
    V exists = b_.CreateICmpULT(own, e_.splat(b_.CreateTrunc(samples, e_.i32), lanes));
    V taken = b_.CreateSelect(exists, none, most);
    e_.loop(e_.number(0), samples, 1, {fewest, taken}, [&](V i, const Values& carried) -> Values {
      V keys =
          b_.CreateOr(b_.CreateOr(b_.CreateShl(carried[0], e_.splat(e_.word(4), lanes)), own), carried[1]);
      V next = b_.CreateAnd(b_.CreateIntMinReduce(keys, true), e_.word(lanes - 1));
      e_.store(next, e_.at(e_.i32, order_of(p), i));
      V distances = e_.load_vector(e_.i32, lanes, apart_, e_.scaled(e_.widened(next), lanes));
      V now = b_.CreateSelect(b_.CreateICmpEQ(own, e_.splat(next, lanes)), most, carried[1]);
      return {distances, now};
    });
  }

  /// What a block of senders of a plane adds to some registers of receivers, of all samples. From one sample
  /// to the next only senders that differ are added or taken away.
  void tile(V first, V j, V k, std::int64_t registers,
            const std::function<void(const std::function<void(V, V)>&)>& each_panel) {
    V rows = e_.at(e_.i32, q_, e_.scaled(j, stride_, k));
    const auto add = [&](V senders, const Values& sum, bool negative) {
      return e_.for_each_bit(senders, sum, [&](V sender, const Values& c) {
        return add_row(e_, c, e_.at(e_.i32, rows, e_.scaled(sender, stride_)), negative);
      });
    };
    // Where all are signs, from the first sample's message on: what differs counts twice.
    V start = b_.CreateSelect(
        signs_, e_.load(e_.i64, words_of(e_.number(0)), lane_of(e_.number(0), e_.number(0))), e_.number(0));
    const Values none = zeros_of(e_, registers);
    const Values message = e_.when(signs_, none, [&] {
      return add(b_.CreateAnd(b_.CreateNot(start), SenderBlock(e_, o_.senders, e_.number(0), j).all()),
                 add(start, none, false), true);
    });
    // The first block of senders finds the base, or nothing; the others what those before have left.
    V begins = b_.CreateAnd(first, b_.CreateICmpEQ(j, e_.begin)), nothing = b_.CreateIsNull(base_);
    V below = b_.CreateSelect(b_.CreateAnd(begins, b_.CreateNot(nothing)), base_, h_);
    V before = word_splat(e_, b_.CreateAnd(begins, nothing), 0, -1);
    V twice = word_splat(e_, signs_, 1, 0), flip = word_splat(e_, first, 0, -1);
    each_panel([&](V p, V panel) {
      Values starts = none;
      starts.push_back(start);
      e_.loop(e_.number(0), samples_of(e_, panel), 1, starts, [&](V i, const Values& carried) {
        V lane = lane_of(p, i);
        V last = carried.back(), now = e_.load(e_.i64, words_of(p), lane);
        Values sum(carried.begin(), carried.end() - 1);
        sum = add(b_.CreateAnd(now, b_.CreateNot(last)), sum, false);
        sum = add(b_.CreateAnd(last, b_.CreateNot(now)), sum, true);
        V at = place(panel, lane, k);
        V from = e_.at(e_.i32, below, at), to = e_.at(e_.i32, h_, at);
        for (std::size_t r = 0; r < sum.size(); ++r) {
          V next = e_.number(static_cast<std::int64_t>(r) * width);
          V old = b_.CreateAnd(e_.load_vector(e_.i32, width, from, next), before);
          // The second plane's sums are taken away.
          V added = b_.CreateSub(b_.CreateXor(b_.CreateShl(sum[r], twice), flip), flip);
          e_.store(b_.CreateAdd(old, b_.CreateAdd(added, message[r])), e_.at(e_.i32, to, next));
        }
        sum.push_back(now);
        return sum;
      });
    });
  }

  /// A few receivers are summed by lane, side by side: picking rows one by one is slow when they are short.
  void few_receivers() {
    const unsigned strip = e_.isa == Isa::avx512 ? 16 : e_.isa == Isa::avx2 ? 8 : 4;
    const std::int64_t most = e_.isa == Isa::avx512 ? 16 : 8;
    const std::int64_t chunks = (o_.receivers + most - 1) / most;
    V block = e_.scratch(e_.i32, lanes * lanes), totals = e_.scratch(e_.i32, lanes);
    V nothing = b_.CreateIsNull(base_), below = b_.CreateSelect(nothing, h_, base_);
    V counts = b_.CreateSelect(nothing, e_.word(0), e_.word(-1));
    const Values none = zeros_of(e_, 1);
    e_.when(signs_, [&] {
      const auto add = [&](V j, const Values& sum) {
        return add_row(e_, sum, e_.at(e_.i32, q_, e_.scaled(j, stride_)), false);
      };
      e_.store(e_.loop(e_.begin, e_.end, 1, none, add)[0], totals);
    });
    e_.loop(e_.number(0), e_.panels, 1, [&](V panel) {
      for_each_plane([&](V first, V plane) {
        for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
          const Range receivers{o_.receivers * chunk / chunks, o_.receivers * (chunk + 1) / chunks};
          for (unsigned lane = 0; lane < lanes; lane += strip)
            sums_by_lane(panel, first, plane, receivers, lane, strip, block, totals);
        }
      });
      e_.loop(e_.number(0), samples_of(e_, panel), 1, [&](V lane) {
        for (std::int64_t k = 0; k < o_.receivers; ++k) {
          V sum = e_.load(e_.i32, block, e_.scaled(e_.number(k), lanes, lane));
          V at = place(panel, lane, e_.number(k));
          e_.store(b_.CreateAdd(sum, b_.CreateAnd(e_.load(e_.i32, below, at), counts)),
                   e_.at(e_.i32, h_, at));
        }
      });
    });
  }

  struct Range {
    std::int64_t begin, end;
  };

  /// Sums of some receivers over a call's senders in a plane, of `strip` lanes.
  void sums_by_lane(V panel, V first, V plane, Range receivers, unsigned lane, unsigned strip, V block,
                    V totals) {
    const auto place = [&](std::int64_t k) { return e_.at(e_.i32, block, e_.number(k * lanes + lane)); };
    const Values none(static_cast<std::size_t>(receivers.end - receivers.begin), e_.zeros(e_.i32, strip));
    const Values sum = e_.loop(e_.begin, e_.end, 1, none, [&](V j, const Values& carried) {
      V where = e_.lanes_of(e_.load(e_.i16, plane, e_.scaled(panel, o_.senders, j)), lane, strip);
      V row = e_.at(e_.i32, q_, e_.scaled(j, stride_));
      Values next;
      for (std::int64_t k = receivers.begin; k < receivers.end; ++k) {
        V q = e_.splat(e_.load(e_.i32, row, e_.number(k)), strip);
        next.push_back(e_.add_where(carried[static_cast<std::size_t>(k - receivers.begin)], where, q));
      }
      return next;
    });
    const auto splat = [&](V condition, std::int64_t yes, std::int64_t no) {
      return e_.splat(b_.CreateSelect(condition, e_.word(yes), e_.word(no)), strip);
    };
    V before = splat(first, 0, -1), twice = splat(signs_, 1, 0), flip = splat(first, 0, -1);
    for (std::int64_t k = receivers.begin; k < receivers.end; ++k) {
      V total = e_.splat(e_.load(e_.i32, totals, e_.number(k)), strip);
      V old = b_.CreateAnd(e_.load(e_.vector(e_.i32, strip), place(k)), before);
      V doubled = b_.CreateShl(sum[static_cast<std::size_t>(k - receivers.begin)], twice);
      V added = b_.CreateSub(b_.CreateXor(doubled, flip), flip);
      e_.store(b_.CreateAdd(old, b_.CreateSub(added, total)), place(k));
    }
  }

  Emitter& e_;
  llvm::IRBuilder<>& b_;
  const ExactRows& o_;
  std::int64_t stride_;
  V q_, plus_, minus_, h_, base_, signs_;
  // Of some panels: words of a block of senders and orders of samples; how far apart samples are.
  V words_ = nullptr, orders_ = nullptr, apart_ = nullptr;
};

}  // namespace

void generate(Emitter& e, const ExactRows& o) { ExactRowsFunction(e, o).run(); }

}  // namespace relaxon::jit
