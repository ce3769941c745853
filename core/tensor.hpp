// Dense arrays: an aligned buffer, an element type and a shape, row-major.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.hpp"

namespace relaxon {

/// Element types of stored arrays. `boolean` is one byte, 0 or 1.
enum class DType : std::uint8_t { f32, i8, u8, i32, i64, u32, boolean };

std::size_t size_of(DType dtype);
/// The safetensors name: F32, I8, U8, I32, I64, U32, BOOL.
std::string_view name_of(DType dtype);

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> { static constexpr DType value = DType::f32; };
template <>
struct DTypeOf<std::int8_t> { static constexpr DType value = DType::i8; };
template <>
struct DTypeOf<std::uint8_t> { static constexpr DType value = DType::u8; };
template <>
struct DTypeOf<std::int32_t> { static constexpr DType value = DType::i32; };
template <>
struct DTypeOf<std::int64_t> { static constexpr DType value = DType::i64; };
template <>
struct DTypeOf<std::uint32_t> { static constexpr DType value = DType::u32; };
template <>
struct DTypeOf<bool> { static constexpr DType value = DType::boolean; };

/// Axis lengths, outermost first; empty for a scalar.
using Shape = std::vector<std::int64_t>;

/// Number of elements (1 for a scalar).
std::int64_t count(const Shape& shape);
/// "(16, 300)"; "(10)" for one axis; "()" for a scalar.
std::string to_string(const Shape& shape);

/// Row-major matrices as Eigen sees them.
template <class T>
using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// A dense row-major array that owns its memory (64-byte aligned, zero-initialised). Copies are deep.
class Tensor {
 public:
  Tensor() = default;
  Tensor(DType dtype, Shape shape);
  Tensor(const Tensor& other);
  Tensor(Tensor&&) noexcept = default;
  Tensor& operator=(const Tensor& other);
  Tensor& operator=(Tensor&&) noexcept = default;
  ~Tensor() = default;

  /// A tensor that copies `values`; their number must equal count(shape).
  template <class T>
  static Tensor of(Shape shape, std::span<const T> values);
  template <class T>
  static Tensor of(Shape shape, const std::vector<T>& values) {
    return of<T>(std::move(shape), std::span<const T>(values));
  }
  template <class T>
  static Tensor scalar(T value) {
    Tensor t(DTypeOf<T>::value, {});
    t.data<T>()[0] = value;
    return t;
  }

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::int64_t size() const { return size_; }
  std::size_t bytes() const { return static_cast<std::size_t>(size_) * size_of(dtype_); }
  bool empty() const { return size_ == 0; }

  /// The elements; T must be the stored type (InternalError otherwise).
  template <class T>
  std::span<T> data();
  template <class T>
  std::span<const T> data() const;
  std::byte* raw() { return buffer_.get(); }
  const std::byte* raw() const { return buffer_.get(); }

  /// The elements as a matrix without a copy: axis 0 by the product of the others.
  template <class T>
  Eigen::Map<RowMajor<T>> matrix();
  template <class T>
  Eigen::Map<const RowMajor<T>> matrix() const;

  /// Same elements, other axis lengths of the same product.
  Tensor reshaped(Shape shape) &&;

  /// Same type, shape and bytes.
  bool operator==(const Tensor& other) const;

 private:
  void check_type(DType wanted) const;

  DType dtype_ = DType::f32;
  Shape shape_ = {0};
  std::int64_t size_ = 0;
  Bytes buffer_;
};

/// A tensor that many hold and nobody changes.
using TensorPtr = std::shared_ptr<const Tensor>;

template <class T>
std::span<T> Tensor::data() {
  check_type(DTypeOf<T>::value);
  return {reinterpret_cast<T*>(buffer_.get()), static_cast<std::size_t>(size_)};
}
template <class T>
std::span<const T> Tensor::data() const {
  check_type(DTypeOf<T>::value);
  return {reinterpret_cast<const T*>(buffer_.get()), static_cast<std::size_t>(size_)};
}
template <class T>
Eigen::Map<RowMajor<T>> Tensor::matrix() {
  const std::int64_t rows = shape_.empty() ? 1 : shape_[0];
  return {data<T>().data(), rows, rows == 0 ? 0 : size_ / rows};
}
template <class T>
Eigen::Map<const RowMajor<T>> Tensor::matrix() const {
  const std::int64_t rows = shape_.empty() ? 1 : shape_[0];
  return {data<T>().data(), rows, rows == 0 ? 0 : size_ / rows};
}

void check_count(const Shape& shape, std::size_t given);

template <class T>
Tensor Tensor::of(Shape shape, std::span<const T> values) {
  check_count(shape, values.size());
  Tensor t(DTypeOf<T>::value, std::move(shape));
  std::copy(values.begin(), values.end(), t.data<T>().begin());
  return t;
}

}  // namespace relaxon
