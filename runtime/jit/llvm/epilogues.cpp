// Numbers as other numbers, and what becomes of a field once its messages are summed.
#include "runtime/jit/llvm/generate.hpp"
#include "runtime/jit/llvm/row_sums.hpp"

namespace relaxon::jit {
namespace {

constexpr unsigned width = 16;

/// Where fields of a panel's unit begin.
V field_index(Emitter& e, V panel, std::int64_t units, V unit) {
  return e.scaled(e.scaled(panel, units, unit), lanes);
}

/// The first operands: messages by lane.
Values messages_of(Emitter& e, const Summands& messages) {
  Values result;
  for (unsigned m = 0; m < messages.by_lane; ++m) result.push_back(e.operand(m));
  return result;
}

unsigned count_of(const Summands& messages) { return static_cast<unsigned>(messages.count()); }

/// body(panel, unit, position among masks, position among fields) for all units of a call.
void for_each_unit(Emitter& e, std::int64_t units, const std::function<void(V, V, V, V)>& body) {
  e.loop(e.number(0), e.panels, 1, [&](V panel) {
    e.loop(e.begin, e.end, 1, [&](V unit) {
      V at = e.scaled(panel, units, unit);
      body(panel, unit, at, e.scaled(at, lanes));
    });
  });
}

/// Units whose signs are found together.
constexpr unsigned side_by_side = 4;

/// The last of each two neighbours in a, then in b.
V last_of_pairs(Emitter& e, V a, V b, llvm::Type* element, unsigned count) {
  std::vector<int> which;
  for (int i = 0; i < static_cast<int>(count); ++i) which.push_back(2 * i + 1);
  llvm::Type* type = e.vector(element, count);
  return e.b.CreateShuffleVector(e.bits_of(a, type), e.bits_of(b, type), which);
}

/// The lanes of 1 or 4 units, 16 bits each of one number, in which their words are negative.
V negative_lanes(Emitter& e, const Values& words) {
  if (words.size() == 1) return e.mask_of(e.b.CreateICmpSLT(words[0], e.zeros(e.i32, width)));
  // The signs of all lanes fit into one register: halves of words, then of halves.
  const unsigned halves = 2 * width, bytes = 4 * width;
  V signs = last_of_pairs(e, last_of_pairs(e, words[0], words[1], e.i16, halves),
                          last_of_pairs(e, words[2], words[3], e.i16, halves), e.i8, bytes);
  return e.bits_of(e.b.CreateICmpSLT(signs, e.zeros(e.i8, bytes)), e.i64);
}

/// body(panel, first unit, its position among masks, how many) for all units of a call, some side by side.
void for_units_side_by_side(Emitter& e, std::int64_t units,
                            const std::function<void(V, V, V, unsigned)>& body) {
  e.loop(e.number(0), e.panels, 1, [&](V panel) {
    V row = e.scaled(panel, units);
    V whole = e.b.CreateSub(e.end, e.b.CreateAnd(e.b.CreateSub(e.end, e.begin), e.number(side_by_side - 1)));
    const auto some = [&](V first, V last, unsigned count) {
      e.loop(first, last, count, [&](V unit) { body(panel, unit, e.b.CreateAdd(row, unit), count); });
    };
    some(e.begin, whole, side_by_side);
    some(whole, e.end, 1);
  });
}

/// The sums of the messages of so many units.
Values sums_of(Emitter& e, const Values& messages, V at, unsigned count) {
  Values sums;
  for (unsigned i = 0; i < count; ++i)
    sums.push_back(sum_of(e, messages, e.scaled(at, lanes, e.number(std::int64_t{i} * lanes))));
  return sums;
}

/// As many masks as one number.
llvm::Type* masks_type(Emitter& e, unsigned count) { return count == 1 ? e.i16 : e.i64; }

V first_bit(Emitter& e, V mask16) {
  return e.b.CreateZExt(e.b.CreateBinaryIntrinsic(llvm::Intrinsic::cttz, mask16, e.b.getTrue()), e.i64);
}

}  // namespace

void generate(Emitter& e, const Quantise& o) {
  V w = e.operand(0), q = e.operand(1);
  V whole = e.b.CreateSub(e.end, e.b.CreateAnd(e.b.CreateSub(e.end, e.begin), e.number(width - 1)));
  const auto convert = [&](V i, V mask) {
    V x = mask ? e.load_where(e.f32, mask, w, i) : e.load_vector(e.f32, width, w, i);
    const Converted c = e.converted(x, o.fixed_bits, 0x1p31f);
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
      const Converted c = e.converted(e.load_vector(e.f32, width, x, i), o.fixed_bits, 0x1p30f);
      V misfits = e.b.CreateAnd(c.misfits, active);
      e.return_if(e.b.CreateICmpNE(misfits, e.b.getInt16(0)), e.b.CreateAdd(i, first_bit(e, misfits)));
      e.store(c.integers, e.at(e.i32, h, i));
    });
  });
  e.finish(e.number(-1));
}

void generate(Emitter& e, const Sum& o) {
  V h = e.operand(count_of(o.messages));
  if (o.messages.by_sample > 0) {
    RowSums sums(e, o.units, o.messages);
    sums.for_each_block([&](V panel, V k) {
      sums.start(panel, k);
      e.loop(e.number(0), e.number(lanes), 1,
             [&](V lane) { e.store(sums.at(lane), e.at(e.i32, h, sums.place(lane))); });
    });
  } else {
    const Values messages = messages_of(e, o.messages);
    for_each_unit(e, o.units, [&](V, V, V, V i) { e.store(sum_of(e, messages, i), e.at(e.i32, h, i)); });
  }
  e.finish(e.number(0));
}

void generate(Emitter& e, const Sign& o) {
  const unsigned n = count_of(o.messages);
  V plus = e.operand(n), minus = e.operand(n + 1);
  if (o.messages.by_sample > 0) {
    RowSums sums(e, o.units, o.messages);
    sums.for_each_block([&](V panel, V k) {
      V active = e.splat(e.active_lanes(panel), width);
      V negative =
          sums.masks(panel, k, {[&](V h) { return e.b.CreateICmpSLT(h, e.zeros(e.i32, width)); }})[0];
      negative = e.b.CreateAnd(negative, active);
      sums.store_masks(e.b.CreateXor(active, negative), plus, panel, k);
      sums.store_masks(negative, minus, panel, k);
    });
    return e.finish(e.number(0));
  }
  const Values messages = messages_of(e, o.messages);
  for_units_side_by_side(e, o.units, [&](V panel, V, V at, unsigned count) {
    V all = e.bits_of(e.splat(e.active_lanes(panel), count), masks_type(e, count));
    V negative = e.b.CreateAnd(all, negative_lanes(e, sums_of(e, messages, at, count)));
    e.store(e.b.CreateXor(all, negative), e.at(e.i16, plus, at));
    e.store(negative, e.at(e.i16, minus, at));
  });
  e.finish(e.number(0));
}

namespace {

/// Target planes, margins, error planes follow the messages.
struct ErrorOperands {
  ErrorOperands(Emitter& e, const Summands& messages) {
    const unsigned n = count_of(messages);
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

/// Lanes of fields that are low for a target above 0 and for one below, given the margins beside the fields.
struct Low {
  std::function<V(V field, V margin)> plus, minus;
};

void generate_errors(Emitter& e, std::int64_t units, const Summands& summands, llvm::Type* margin_type,
                     const Low& low) {
  const ErrorOperands operands(e, summands);
  if (summands.by_sample == 0) {
    const Values messages = messages_of(e, summands);
    for_each_unit(e, units, [&](V, V unit, V at, V i) {
      V margin = e.splat(e.load(margin_type, operands.margin, unit), width);
      V h = sum_of(e, messages, i);
      operands.store(e, at, low.plus(h, margin), low.minus(h, margin));
    });
    return e.finish(e.number(0));
  }
  RowSums sums(e, units, summands);
  sums.for_each_block([&](V panel, V k) {
    V margin = e.load_vector(margin_type, width, operands.margin, k);
    const Values masks = sums.masks(
        panel, k, {[&](V h) { return low.plus(h, margin); }, [&](V h) { return low.minus(h, margin); }});
    const auto write = [&](V target, V mask, V error) {
      sums.store_masks(e.b.CreateAnd(sums.load_masks(target, panel, k), mask), error, panel, k);
    };
    write(operands.t_plus, masks[0], operands.v_plus);
    write(operands.t_minus, masks[1], operands.v_minus);
  });
  e.finish(e.number(0));
}

}  // namespace

void generate(Emitter& e, const SignError& o) {
  if (o.messages.by_sample == 0) {
    const ErrorOperands operands(e, o.messages);
    const Values messages = messages_of(e, o.messages);
    for_units_side_by_side(e, o.units, [&](V, V unit, V at, unsigned count) {
      Values above, below;  // negative where the field is above the margin, or below its negative
      const Values sums = sums_of(e, messages, at, count);
      for (unsigned i = 0; i < count; ++i) {
        V margin = e.splat(e.load(e.i32, operands.margin, e.b.CreateAdd(unit, e.number(i))), width);
        above.push_back(e.b.CreateSub(margin, sums[i]));
        below.push_back(e.b.CreateAdd(sums[i], margin));
      }
      const auto errors = [&](V target, const Values& beyond, V error) {
        V met = e.load(masks_type(e, count), e.at(e.i16, target, at));
        e.store(e.b.CreateAnd(met, e.b.CreateNot(negative_lanes(e, beyond))), e.at(e.i16, error, at));
      };
      errors(operands.t_plus, above, operands.v_plus);
      errors(operands.t_minus, below, operands.v_minus);
    });
    return e.finish(e.number(0));
  }
  generate_errors(e, o.units, o.messages, e.i32,
                  {[&](V h, V margin) { return e.b.CreateICmpSLE(h, margin); },
                   [&](V h, V margin) { return e.b.CreateICmpSLE(e.b.CreateNeg(margin), h); }});
}

void generate(Emitter& e, const PairError& o) {
  V unit_value = e.splat(e.real(1.0f / static_cast<float>(std::int64_t{1} << o.fixed_bits)), width);
  const auto low = [&](float target) {
    return [&e, unit_value, target](V h, V margin) {
      V f = e.b.CreateFMul(e.b.CreateSIToFP(h, e.vector(e.f32, width)), unit_value);
      return e.b.CreateFCmpOLE(e.b.CreateFMul(e.splat(e.real(target), width), f), margin);
    };
  };
  generate_errors(e, o.units, o.messages, e.f32, {low(o.a), low(o.b)});
}

void generate(Emitter& e, const Turn& o) {
  V from = e.operand(0), to = e.operand(1);
  RowSums sums(e, o.units, {o.to_samples ? 1 : 0, o.to_samples ? 0 : 1});
  sums.for_each_block([&](V panel, V k) {
    if (o.to_samples) {
      const Values rows = sums.turned(panel, k);
      for (unsigned lane = 0; lane < lanes; ++lane)
        e.store(rows[lane], e.at(e.i32, to, sums.place(panel, e.number(lane), k)));
      return;
    }
    Values rows;
    for (unsigned lane = 0; lane < lanes; ++lane)
      rows.push_back(e.load_vector(e.i32, width, from, sums.place(panel, e.number(lane), k)));
    rows = e.transposed(rows);
    for (unsigned i = 0; i < width; ++i) {
      V unit = e.b.CreateAdd(k, e.number(i));
      e.when(e.b.CreateICmpSLT(unit, e.number(o.units)),
             [&] { e.store(rows[i], e.at(e.i32, to, field_index(e, panel, o.units, unit))); });
    }
  });
  e.finish(e.number(0));
}

}  // namespace relaxon::jit
