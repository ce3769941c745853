// Numbers as other numbers, and what becomes of a field once its messages are summed.
#include "runtime/jit/llvm/generate.hpp"

namespace relaxon::jit {
namespace {

constexpr unsigned width = 16;

/// Where fields of a panel's unit begin.
V field_index(Emitter& e, V panel, std::int64_t units, V unit) {
  return e.scaled(e.scaled(panel, units, unit), lanes);
}

/// The first `messages` operands.
Values messages_of(Emitter& e, std::int64_t messages) {
  Values result;
  for (unsigned m = 0; m < messages; ++m) result.push_back(e.operand(m));
  return result;
}

V sum_at(Emitter& e, const Values& messages, V index) {
  if (messages.empty()) return e.zeros(e.i32, width);
  V sum = e.load_vector(e.i32, width, messages[0], index);
  for (std::size_t m = 1; m < messages.size(); ++m)
    sum = e.b.CreateAdd(sum, e.load_vector(e.i32, width, messages[m], index));
  return sum;
}

/// body(panel, unit, position among masks, position among fields) for all units of a call.
void for_each_unit(Emitter& e, std::int64_t units, const std::function<void(V, V, V, V)>& body) {
  e.loop(e.number(0), e.panels, 1, [&](V panel) {
    e.loop(e.begin, e.end, 1, [&](V unit) {
      V at = e.scaled(panel, units, unit);
      body(panel, unit, at, e.scaled(at, lanes));
    });
  });
}

/// Bits of lanes whose number, as an integer in units of 2^-bits, doesn't stay below `limit`.
struct Converted {
  V integers, misfits;
};
Converted converted(Emitter& e, V x, int bits, float limit) {
  V scaled = e.b.CreateFMul(x, e.splat(e.real(static_cast<float>(std::int64_t{1} << bits)), width));
  V misfit = e.b.CreateFCmpUGE(e.magnitude(scaled), e.splat(e.real(limit), width));
  return {e.rounded(scaled), e.mask_of(misfit)};
}

V first_bit(Emitter& e, V mask16) {
  return e.b.CreateZExt(e.b.CreateBinaryIntrinsic(llvm::Intrinsic::cttz, mask16, e.b.getTrue()), e.i64);
}

}  // namespace

void generate(Emitter& e, const Quantise& o) {
  V w = e.operand(0), q = e.operand(1);
  V whole = e.b.CreateSub(e.end, e.b.CreateAnd(e.b.CreateSub(e.end, e.begin), e.number(width - 1)));
  const auto convert = [&](V i, V mask) {
    V x = mask ? e.load_where(e.f32, mask, w, i) : e.load_vector(e.f32, width, w, i);
    const Converted c = converted(e, x, o.fixed_bits, 0x1p31f);
    e.return_if(e.b.CreateICmpNE(c.misfits, e.b.getInt16(0)), e.b.CreateAdd(i, first_bit(e, c.misfits)));
    if (mask) {
      e.store_where(c.integers, mask, q, i);
    } else {
      e.store(c.integers, e.at(e.i32, q, i));
    }
  };
  e.loop(e.begin, whole, width, [&](V i) { convert(i, nullptr); });
  e.when(e.b.CreateICmpSLT(whole, e.end), [&] {
    V left = e.splat(e.b.CreateTrunc(e.b.CreateSub(e.end, whole), e.i32), width);
    convert(whole, e.b.CreateICmpSLT(e.iota(width), left));
  });
  e.finish(e.number(-1));
}

void generate(Emitter& e, const ToFields& o) {
  V x = e.operand(0), h = e.operand(1);
  e.loop(e.number(0), e.panels, 1, [&](V panel) {
    V active = e.active_lanes(panel);
    e.loop(e.begin, e.end, 1, [&](V unit) {
      V i = field_index(e, panel, o.units, unit);
      const Converted c = converted(e, e.load_vector(e.f32, width, x, i), o.fixed_bits, 0x1p30f);
      V misfits = e.b.CreateAnd(c.misfits, active);
      e.return_if(e.b.CreateICmpNE(misfits, e.b.getInt16(0)), e.b.CreateAdd(i, first_bit(e, misfits)));
      e.store(c.integers, e.at(e.i32, h, i));
    });
  });
  e.finish(e.number(-1));
}

void generate(Emitter& e, const Sum& o) {
  const Values messages = messages_of(e, o.messages);
  V h = e.operand(static_cast<unsigned>(o.messages));
  for_each_unit(e, o.units, [&](V, V, V, V i) { e.store(sum_at(e, messages, i), e.at(e.i32, h, i)); });
  e.finish(e.number(0));
}

void generate(Emitter& e, const Sign& o) {
  const Values messages = messages_of(e, o.messages);
  const auto n = static_cast<unsigned>(o.messages);
  V plus = e.operand(n), minus = e.operand(n + 1);
  e.loop(e.number(0), e.panels, 1, [&](V panel) {
    V active = e.active_lanes(panel);
    e.loop(e.begin, e.end, 1, [&](V unit) {
      V at = e.scaled(panel, o.units, unit);
      V sum = sum_at(e, messages, e.scaled(at, lanes));
      V negative = e.b.CreateAnd(active, e.mask_of(e.b.CreateICmpSLT(sum, e.zeros(e.i32, width))));
      e.store(e.b.CreateXor(active, negative), e.at(e.i16, plus, at));
      e.store(negative, e.at(e.i16, minus, at));
    });
  });
  e.finish(e.number(0));
}

namespace {

/// Target planes, margins, error planes follow the messages.
struct ErrorOperands {
  ErrorOperands(Emitter& e, std::int64_t messages) {
    const auto n = static_cast<unsigned>(messages);
    t_plus = e.operand(n);
    t_minus = e.operand(n + 1);
    margin = e.operand(n + 2);
    v_plus = e.operand(n + 3);
    v_minus = e.operand(n + 4);
  }
  /// Errors where a target meets lanes whose field is low.
  void store(Emitter& e, V at, V low_plus, V low_minus) const {
    e.store(e.b.CreateAnd(e.load(e.i16, t_plus, at), e.mask_of(low_plus)), e.at(e.i16, v_plus, at));
    e.store(e.b.CreateAnd(e.load(e.i16, t_minus, at), e.mask_of(low_minus)), e.at(e.i16, v_minus, at));
  }
  V t_plus, t_minus, margin, v_plus, v_minus;
};

}  // namespace

void generate(Emitter& e, const SignError& o) {
  const Values messages = messages_of(e, o.messages);
  const ErrorOperands operands(e, o.messages);
  for_each_unit(e, o.units, [&](V, V unit, V at, V i) {
    V bound = e.load(e.i32, operands.margin, unit);
    V h = sum_at(e, messages, i);
    V low = e.b.CreateICmpSLE(h, e.splat(bound, width));
    V high = e.b.CreateICmpSLE(e.splat(e.b.CreateNeg(bound), width), h);
    operands.store(e, at, low, high);
  });
  e.finish(e.number(0));
}

void generate(Emitter& e, const PairError& o) {
  const Values messages = messages_of(e, o.messages);
  const ErrorOperands operands(e, o.messages);
  V unit_value = e.splat(e.real(1.0f / static_cast<float>(std::int64_t{1} << o.fixed_bits)), width);
  for_each_unit(e, o.units, [&](V, V unit, V at, V i) {
    V bound = e.splat(e.load(e.f32, operands.margin, unit), width);
    V h = e.b.CreateSIToFP(sum_at(e, messages, i), e.vector(e.f32, width));
    V f = e.b.CreateFMul(h, unit_value);
    const auto low = [&](float target) {
      return e.b.CreateFCmpOLE(e.b.CreateFMul(e.splat(e.real(target), width), f), bound);
    };
    operands.store(e, at, low(o.a), low(o.b));
  });
  e.finish(e.number(0));
}

}  // namespace relaxon::jit
