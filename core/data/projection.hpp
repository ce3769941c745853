// A fixed random linear map of the inputs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/rng.hpp"

namespace relaxon {

/// x -> x P^T with P = N(0,1) / sqrt(in) of shape (out, in) (semantics: section 9): each output has one
/// accumulator, acc = fma(x_j, P_oj, acc) from +0, j ascending, on every machine.
class Projection {
 public:
  Projection(Key key, std::int64_t out, std::int64_t in, RngLayout layout);

  std::int64_t outputs() const { return out_; }
  std::int64_t inputs() const { return in_; }

  /// Rows of `x`, `inputs()` long, to rows of `y`, `outputs()` long.
  void apply(std::span<const float> x, std::span<float> y) const;

 private:
  std::int64_t out_, in_;
  std::vector<float> panels_;  // (panels, in, panel_width): P^T by panels of outputs, the last filled with 0
};

}  // namespace relaxon
