// Senders as numbers, and their messages through dense weights: one accumulator an output, senders ascending,
// fused multiply-add.
#include "runtime/jit/llvm/generate.hpp"
#include "runtime/jit/llvm/real_sender.hpp"

namespace relaxon::jit {
namespace {

/// Rows that a tile of receivers asks for ahead of time: it takes little of each, too far apart for the
/// processor to guess the next.
constexpr std::int64_t rows_ahead = 32;

/// `receivers` receivers from k on, of some lanes of a panel: all samples' sums side by side.
void tile(Emitter& e, const RealDense& o, V w, V k, std::int64_t receivers, const SenderLanes& x,
          unsigned lane, unsigned strip, V to) {
  const Values none(static_cast<std::size_t>(receivers), e.zeros(e.f32, strip));
  const Values sum = e.loop(e.number(0), e.number(o.senders), 1, none, [&](V j, const Values& carried) {
    V numbers = x.at(j, lane, strip);
    V row = e.at(e.f32, w, e.scaled(j, row_stride(o.receivers), k));
    e.prefetch(e.at(e.f32, row, e.number(rows_ahead * row_stride(o.receivers))));
    Values next;
    for (std::size_t r = 0; r < carried.size(); ++r) {
      V weight = e.load(e.f32, row, e.number(static_cast<std::int64_t>(r)));
      next.push_back(e.fma(numbers, e.splat(weight, strip), carried[r]));
    }
    return next;
  });
  for (std::size_t r = 0; r < sum.size(); ++r) {
    V unit = e.b.CreateAdd(k, e.number(static_cast<std::int64_t>(r)));
    e.store(x.finished(sum[r]), e.at(e.f32, to, e.scaled(unit, lanes, e.number(lane))));
  }
}

}  // namespace

void generate(Emitter& e, const Affine& o) {
  const SenderLanes x(e, o.x, e.operand(0), e.operand(1));
  V a = e.splat(e.load(e.f32, e.operand(2)), 16), b = e.splat(e.load(e.f32, e.operand(3)), 16);
  V to = e.operand(4);
  e.loop(e.number(0), e.panels, 1, [&](V panel) {
    const SenderLanes from = x.of_panel(panel, o.units);
    V active = e.lanes_of(e.active_lanes(panel));
    e.loop(e.begin, e.end, 1, [&](V unit) {
      V number = e.b.CreateFAdd(e.b.CreateFMul(a, from.finished(from.at(unit))), b);
      V place = e.at(e.f32, to, e.scaled(e.scaled(panel, o.units, unit), lanes));
      e.store(e.b.CreateSelect(active, number, e.zeros(e.f32, 16)), place);
    });
  });
  e.finish(e.number(0));
}

void generate(Emitter& e, const RealDense& o) {
  const unsigned strip = e.isa == Isa::avx512 ? 16 : 8;
  const std::int64_t most = e.isa == Isa::avx512 ? 16 : 8;
  V w = e.operand(0), h = e.operand(3);
  const SenderLanes x(e, o.x, e.operand(1), e.operand(2));
  V k = e.begin;
  for (const std::int64_t receivers : {most, o.receivers % most}) {
    if (receivers == 0 || receivers > o.receivers) continue;
    V last = e.b.CreateSub(e.end, e.number(receivers - 1));
    k = e.loop(k, last, receivers, {k}, [&](V first, const Values&) -> Values {
      e.loop(e.number(0), e.panels, 1, [&](V panel) {
        const SenderLanes from = x.of_panel(panel, o.senders);
        V to = e.at(e.f32, h, e.scaled(panel, o.receivers * lanes));
        for (unsigned lane = 0; lane < lanes; lane += strip)
          tile(e, o, w, first, receivers, from, lane, strip, to);
      });
      return {e.b.CreateAdd(first, e.number(receivers))};
    })[0];
  }
  e.finish(e.number(0));
}

}  // namespace relaxon::jit
