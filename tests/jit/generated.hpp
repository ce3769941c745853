// One generated function at a time, for tests.
#pragma once

#include <catch2/catch.hpp>
#include <vector>

#include "runtime/jit/code.hpp"
#include "tests/support/panels.hpp"

namespace relaxon::testing {

/// Less than a panel, one and more.
constexpr std::int64_t batches[] = {1, 16, 37};

inline void* pointer(const void* p) { return const_cast<void*>(p); }

/// One function, compiled without a cache.
struct Made {
  Made(const jit::Operation& operation, Isa isa)
      : compiled(jit::compile({{"f", operation}}, isa, jit::CodeCache(std::nullopt))),
        function(compiled.code->find(operation)) {
    REQUIRE(function != nullptr);
  }
  std::int64_t operator()(std::vector<void*> operands, std::int64_t batch, std::int64_t units) const {
    // In two parts where there are more than a block of units, as two threads would.
    if (units <= 64) return function(operands.data(), batch, 0, units);
    const std::int64_t first = function(operands.data(), batch, 0, 64);
    const std::int64_t second = function(operands.data(), batch, 64, units);
    return first >= 0 && (second < 0 || first < second) ? first : second;
  }
  jit::Compiled compiled;
  jit::Function function;
};

/// A real-valued message's sender of a kind.
inline jit::RealSender sender_of(Sender::Kind kind) {
  switch (kind) {
    case Sender::Kind::signs: return {kind, 1, -1, 1};
    case Sender::Kind::pair: return {kind, 1.08f, -0.5f, 1};
    case Sender::Kind::bytes: return {kind, 0, 0, 1 / 255.0f};
    case Sender::Kind::real: break;
  }
  return {kind, 0, 0, 1};
}

/// Random samples as they are stored, and the numbers that they stand for.
struct SenderData {
  SenderData(Draw& draw, const jit::RealSender& x, std::int64_t batch, std::int64_t units)
      : planes(draw, batch, units, 0.2), bytes(batch, units, 0), numbers(batch, units, 0), sender(x) {
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t j = 0; j < units; ++j) {
        bytes.at(b, j) = static_cast<std::uint8_t>(draw.between(0, 255));
        const int sign = planes.at(b, j);
        numbers.at(b, j) = x.planes()                      ? (sign > 0   ? x.a
                                                              : sign < 0 ? x.b
                                                                         : 0.0f)
                           : x.kind == Sender::Kind::bytes ? static_cast<float>(bytes.at(b, j))
                                                           : draw.real();
      }
    }
  }
  void* first() {
    if (sender.planes()) return planes.plus.data();
    return sender.kind == Sender::Kind::bytes ? pointer(bytes.data()) : pointer(numbers.data());
  }
  void* second() { return sender.planes() ? planes.minus.data() : nullptr; }
  Signs planes;
  Panels<std::uint8_t> bytes;
  Panels<float> numbers;
  jit::RealSender sender;
};

}  // namespace relaxon::testing
