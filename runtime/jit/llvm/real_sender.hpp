// The lanes of a real-valued message's sender as floats, whatever they are stored as.
#pragma once

#include "runtime/jit/llvm/emitter.hpp"
#include "runtime/jit/operation.hpp"

namespace relaxon::jit {

class SenderLanes {
 public:
  /// Numbers, bytes or `plus` begin at `x`; `minus` means something for planes alone.
  SenderLanes(Emitter& e, const RealSender& sender, V x, V minus)
      : e_(e), sender_(sender), x_(x), minus_(minus) {}

  SenderLanes of_panel(V panel, std::int64_t senders) const {
    const std::int64_t length = sender_.planes() ? senders : senders * lanes;
    V from = e_.scaled(panel, length);
    return {e_, sender_, e_.at(type(), x_, from), sender_.planes() ? e_.at(e_.i16, minus_, from) : minus_};
  }
  /// Some lanes of a sender of the panel.
  V at(V sender, unsigned first = 0, unsigned width = 16) const {
    if (sender_.planes()) return of_planes(sender, first, width);
    return numbers(e_.at(type(), x_, e_.scaled(sender, lanes, e_.number(first))), width);
  }
  /// All lanes of one, as a ColumnStream has it.
  V at_stream(V position) const {
    if (sender_.planes()) return at(position);
    return numbers(e_.at(sender_.kind == Sender::Kind::bytes ? e_.i16 : e_.i64, x_, position), 16);
  }
  /// A sum over senders as the message.
  V finished(V sum) const {
    if (sender_.scale == 1.0f) return sum;
    const auto width = llvm::cast<llvm::FixedVectorType>(sum->getType())->getNumElements();
    return e_.b.CreateFMul(sum, e_.splat(e_.real(sender_.scale), width));
  }

 private:
  llvm::Type* type() const {
    return sender_.planes() ? e_.i16 : sender_.kind == Sender::Kind::bytes ? e_.i8 : e_.f32;
  }
  V numbers(V from, unsigned width) const {
    V stored = e_.load(e_.vector(type(), width), from);
    if (sender_.kind == Sender::Kind::real) return stored;
    return e_.b.CreateSIToFP(e_.b.CreateZExt(stored, e_.vector(e_.i32, width)), e_.vector(e_.f32, width));
  }
  V of_planes(V sender, unsigned first, unsigned width) const {
    const auto value = [&](V plane, float number, V otherwise) {
      V where = e_.lanes_of(e_.load(e_.i16, plane, sender), first, width);
      return e_.b.CreateSelect(where, e_.splat(e_.real(number), width), otherwise);
    };
    return value(x_, sender_.a, value(minus_, sender_.b, e_.zeros(e_.f32, width)));
  }

  Emitter& e_;
  RealSender sender_;
  V x_, minus_;
};

}  // namespace relaxon::jit
