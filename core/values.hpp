// What the numbers of a buffer are declared to be.
#pragma once

#include <cstdint>

namespace relaxon {

/// The values a clamped buffer is declared to hold (semantics: section 10). A declaration follows from how
/// the data were made (or from a flag of the caller), never from looking at a batch; it selects exact integer
/// sums and is checked when the buffer is clamped.
struct Values {
  enum class Kind : std::uint8_t {
    real,        // any finite float32
    ternary,     // -1, 0 or 1
    two_valued,  // labels: `a` at the class, `b` elsewhere
    bytes,       // 0 .. 255, standing for byte * scale
  };

  Kind kind = Kind::real;
  float a = 0, b = 0;  // two_valued only
  float scale = 1;     // bytes only

  static constexpr Values real() { return {}; }
  static constexpr Values ternary() { return {.kind = Kind::ternary}; }
  static constexpr Values two_valued(float at_class, float elsewhere) {
    return {.kind = Kind::two_valued, .a = at_class, .b = elsewhere};
  }
  static constexpr Values bytes(float scale) { return {.kind = Kind::bytes, .scale = scale}; }

  bool operator==(const Values&) const = default;
};

}  // namespace relaxon
