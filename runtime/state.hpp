// The buffers of a network on one batch (semantics: section 1).
#pragma once

#include <vector>

#include "core/network.hpp"
#include "core/tensor.hpp"

namespace relaxon {

/// One tensor per buffer, batch first. Buffer 0 is stored as it was clamped (f32, i8 or u8); hidden buffers
/// of sign rows are i8 with values -1, 0 (before the first sweep), +1; the last buffer is f32.
class State {
 public:
  State() = default;
  State(std::vector<Tensor> buffers, bool labelled) : buffers_(std::move(buffers)), labelled_(labelled) {}

  std::int64_t batch() const { return buffers_.empty() ? 0 : buffers_[0].shape()[0]; }
  int buffers() const { return static_cast<int>(buffers_.size()); }
  /// Whether the last buffer was clamped to labels (of the declared kind) at init.
  bool labelled() const { return labelled_; }

  const Tensor& buffer(int index) const { return buffers_.at(static_cast<std::size_t>(index)); }
  Tensor& buffer(int index) { return buffers_.at(static_cast<std::size_t>(index)); }

  /// A buffer as a matrix (B, units) without a copy; T must be what the buffer stores.
  template <class T>
  Eigen::Map<const RowMajor<T>> matrix(int index) const {
    return buffer(index).matrix<T>();
  }
  /// A buffer's numbers as float32 (bytes unscaled), whatever it stores.
  RowMajor<float> values(int index) const;

 private:
  std::vector<Tensor> buffers_;
  bool labelled_ = false;
};

/// Clamps a batch: checks shape, element type, finiteness and declared values of x and y before anything is
/// built. Errors name the buffer, the expected and the given.
State clamp(const Network& network, const Tensor& x, const Tensor* y);

/// Checks labels of the declared kind, (B, units of the output), f32.
void check_labels(const Network& network, const Tensor& y, std::int64_t batch);
/// Checks inputs of the declared kind, (B, size of buffer 0): ternary i8 or f32, bytes u8, real f32.
void check_inputs(const Network& network, const Tensor& x);

}  // namespace relaxon
