#include "core/math.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace relaxon {

bool is_finite(std::span<const float> values) {
  // All values before any answer: the loop vectorises, and values are nearly always finite.
  bool finite = true;
  for (const float x : values) finite &= is_finite(x);
  return finite;
}

#if defined(__x86_64__)

FlushToZero::FlushToZero() : caller_mode_(_mm_getcsr()) {
  _mm_setcsr(caller_mode_ | _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON);
}

FlushToZero::~FlushToZero() { _mm_setcsr(caller_mode_); }

#else

FlushToZero::FlushToZero() : caller_mode_(0) {}
FlushToZero::~FlushToZero() = default;

#endif

}  // namespace relaxon
