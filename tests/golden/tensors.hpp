// Expected numbers of a golden case and how computed ones are held against them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/safetensors.hpp"
#include "core/tensor.hpp"

namespace relaxon::golden {

/// How far a number may be from the expected one: within any of the three. Numbers, not bits: +0 equals -0.
struct Tolerance {
  double relative = 0;
  double absolute = 0;
  std::int64_t ulps = 0;  // of float32
};

inline constexpr Tolerance exactly{};
inline constexpr Tolerance close_weights{.relative = 1e-5, .absolute = 1e-6};
inline constexpr Tolerance close_floats{.relative = 1e-5, .absolute = 1e-5};
inline constexpr Tolerance close_fixed_fields{.absolute = 3e-5};

/// Throws Error with tensor, index, expected and got at the first element that is too far off. Integers and
/// floats compare as numbers; NaN equals nothing.
void compare(std::string_view name, const Tensor& expected, const Tensor& got, Tolerance tolerance);

/// The tensors of a case.
class Tensors {
 public:
  Tensors() = default;
  explicit Tensors(Safetensors file) : tensors_(std::move(file.tensors)) {}

  /// Throws Error if there is none.
  const Tensor& at(const std::string& name) const;
  /// Of the given type and, where a length isn't -1, shape.
  const Tensor& at(const std::string& name, DType dtype, const Shape& shape) const;
  const Tensor* find(const std::string& name) const;
  std::vector<std::string> names() const;

 private:
  std::map<std::string, Tensor> tensors_;
};

/// The numbers as float32, whatever is stored.
Tensor as_f32(const Tensor& tensor);
/// float32 numbers that are -1, 0 or 1 as i8. Throws Error naming `name` for others.
Tensor as_i8(const std::string& name, const Tensor& tensor);
/// The index of the first largest score of each row, i32 (B).
Tensor first_maxima(const Tensor& scores);

}  // namespace relaxon::golden
