// From pixel bytes to the numbers a network is given.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "core/data/options.hpp"
#include "core/data/projection.hpp"
#include "core/tensor.hpp"
#include "core/values.hpp"

namespace relaxon {

/// What images encoded with these options are declared to hold.
Values input_values(const DataOptions& options);

/// Rescales, flattens, projects and transforms images, in this order (semantics: section 9).
class ImageEncoder {
 public:
  /// `images` (N, H, W) u8 of which those at the indices `train` give mean and deviation of `standardize`;
  /// `projection_key` draws the projection, if there is one. Throws Error for pixels that can't be
  /// standardized and for a projection too large to hold.
  ImageEncoder(const DataOptions& options, Key projection_key, RngLayout layout, const Tensor& images,
               std::span<const std::int32_t> train);

  /// The images (N, H, W) u8 at the indices `selected`, in that order: (n, H * W) or (n, outputs); without
  /// flatten (n, H, W, 1). u8 where values() are bytes, i8 where they are ternary, f32 else; the work is
  /// shared by so many threads. Throws Error when the result is too large to hold.
  Tensor encode(const Tensor& images, std::span<const std::int32_t> selected, int threads = 1) const;

  /// What the encoded images are declared to hold.
  Values values() const { return values_; }

 private:
  template <class T>
  void write(const Tensor& images, std::span<const std::int32_t> selected, std::span<T> out) const;
  float transformed(float x) const;

  Transform transform_;
  Values values_;
  bool flatten_;
  std::optional<Projection> projection_;
  std::array<float, 256> rescaled_{};  // of each pixel value
};

}  // namespace relaxon
