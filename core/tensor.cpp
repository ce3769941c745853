#include "core/tensor.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "core/error.hpp"

namespace relaxon {

std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::i8:
    case DType::u8:
    case DType::boolean: return 1;
    case DType::f32:
    case DType::i32:
    case DType::u32: return 4;
    case DType::i64: return 8;
  }
  internal_error("unknown element type {}", static_cast<int>(dtype));
}

std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return "F32";
    case DType::i8: return "I8";
    case DType::u8: return "U8";
    case DType::i32: return "I32";
    case DType::i64: return "I64";
    case DType::u32: return "U32";
    case DType::boolean: return "BOOL";
  }
  internal_error("unknown element type {}", static_cast<int>(dtype));
}

std::int64_t count(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::string to_string(const Shape& shape) { return fmt::format("({})", fmt::join(shape, ", ")); }

void check_count(const Shape& shape, std::size_t given) {
  if (count(shape) != static_cast<std::int64_t>(given)) {
    fail("a tensor of shape {} needs {} values, got {}", to_string(shape), count(shape), given);
  }
}

Tensor::Tensor(DType dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)), size_(count(shape_)) {
  buffer_ = zeroed_bytes(bytes());
}

Tensor::Tensor(const Tensor& other) : dtype_(other.dtype_), shape_(other.shape_), size_(other.size_) {
  if (!other.buffer_) return;
  buffer_ = unset_bytes(bytes());
  std::memcpy(buffer_.get(), other.buffer_.get(), bytes());
}

Tensor& Tensor::operator=(const Tensor& other) {
  if (this != &other) *this = Tensor(other);
  return *this;
}

Tensor Tensor::reshaped(Shape shape) && {
  check_count(shape, static_cast<std::size_t>(size_));
  shape_ = std::move(shape);
  return std::move(*this);
}

bool Tensor::operator==(const Tensor& other) const {
  return dtype_ == other.dtype_ && shape_ == other.shape_ &&
         (size_ == 0 || std::memcmp(buffer_.get(), other.buffer_.get(), bytes()) == 0);
}

void Tensor::check_type(DType wanted) const {
  if (wanted != dtype_) internal_error("tensor holds {}, asked for {}", name_of(dtype_), name_of(wanted));
}

}  // namespace relaxon
