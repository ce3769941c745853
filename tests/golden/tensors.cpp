#include "tests/golden/tensors.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/error.hpp"

namespace relaxon::golden {
namespace {

/// Calls visit with the elements in their own type.
template <class Visit>
auto with_elements(const Tensor& tensor, Visit&& visit) {
  switch (tensor.dtype()) {
    case DType::f32: return visit(tensor.data<float>());
    case DType::i8: return visit(tensor.data<std::int8_t>());
    case DType::u8: return visit(tensor.data<std::uint8_t>());
    case DType::i32: return visit(tensor.data<std::int32_t>());
    case DType::i64: return visit(tensor.data<std::int64_t>());
    case DType::u32: return visit(tensor.data<std::uint32_t>());
    case DType::boolean: return visit(tensor.data<bool>());
  }
  internal_error("unknown element type {}", static_cast<int>(tensor.dtype()));
}

/// Places of two floats on the line of all floats, both zeros in one place.
std::int64_t ulps_between(float a, float b) {
  const auto place = [](float v) {
    const std::int64_t magnitude = std::bit_cast<std::uint32_t>(v) & 0x7fffffffu;
    return std::signbit(v) ? -magnitude : magnitude;
  };
  return std::abs(place(a) - place(b));
}

template <class Expected, class Got>
bool near(Expected expected, Got got, Tolerance tolerance) {
  if constexpr (std::is_integral_v<Expected> && std::is_integral_v<Got>) {
    const auto difference = static_cast<std::int64_t>(expected) - static_cast<std::int64_t>(got);
    return static_cast<double>(std::abs(difference)) <= tolerance.absolute;
  } else {
    const auto wanted = static_cast<double>(expected);
    const double difference = std::fabs(wanted - static_cast<double>(got));
    if (difference <= tolerance.absolute || difference <= tolerance.relative * std::fabs(wanted)) return true;
    return std::isfinite(difference) &&
           ulps_between(static_cast<float>(expected), static_cast<float>(got)) <= tolerance.ulps &&
           tolerance.ulps > 0;
  }
}

template <class T>
std::string number_text(T value) {
  if constexpr (std::is_floating_point_v<T>) return fmt::format("{}", value);
  return fmt::format("{}", static_cast<std::int64_t>(value));
}

Shape index_of(std::size_t element, const Shape& shape) {
  auto rest = static_cast<std::int64_t>(element);
  Shape index(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    index[axis] = rest % shape[axis];
    rest /= shape[axis];
  }
  return index;
}

}  // namespace

void compare(std::string_view name, const Tensor& expected, const Tensor& got, Tolerance tolerance) {
  if (expected.shape() != got.shape()) {
    fail("tensor {}: expected shape {}, got {}", name, to_string(expected.shape()), to_string(got.shape()));
  }
  with_elements(expected, [&](auto wanted) {
    with_elements(got, [&](auto found) {
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (near(wanted[i], found[i], tolerance)) continue;
        fail("tensor {} at {}: expected {}, got {}", name, to_string(index_of(i, expected.shape())),
             number_text(wanted[i]), number_text(found[i]));
      }
    });
  });
}

const Tensor& Tensors::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail("tensor {}: missing", name);
  return found->second;
}

const Tensor& Tensors::at(const std::string& name, DType dtype, const Shape& shape) const {
  const Tensor& tensor = at(name);
  const bool fits =
      std::equal(shape.begin(), shape.end(), tensor.shape().begin(), tensor.shape().end(),
                 [](std::int64_t wanted, std::int64_t given) { return wanted == -1 || wanted == given; });
  if (tensor.dtype() != dtype || !fits) {
    fail("tensor {}: expected {} {}, got {} {}", name, name_of(dtype), to_string(shape),
         name_of(tensor.dtype()), to_string(tensor.shape()));
  }
  return tensor;
}

const Tensor* Tensors::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

std::vector<std::string> Tensors::names() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors_) names.push_back(name);
  return names;
}

Tensor as_f32(const Tensor& tensor) {
  Tensor result(DType::f32, tensor.shape());
  with_elements(tensor, [&](auto from) {
    std::transform(from.begin(), from.end(), result.data<float>().begin(),
                   [](auto value) { return static_cast<float>(value); });
  });
  return result;
}

Tensor as_i8(const std::string& name, const Tensor& tensor) {
  Tensor result(DType::i8, tensor.shape());
  const auto from = tensor.data<float>();
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i] != -1 && from[i] != 0 && from[i] != 1) {
      fail("tensor {} at {}: expected -1, 0 or 1, as declared, got {}", name,
           to_string(index_of(i, tensor.shape())), from[i]);
    }
    result.data<std::int8_t>()[i] = static_cast<std::int8_t>(from[i]);
  }
  return result;
}

Tensor first_maxima(const Tensor& scores) {
  const auto rows = scores.matrix<float>();
  Tensor result(DType::i32, {rows.rows()});
  for (Eigen::Index b = 0; b < rows.rows(); ++b) {
    const auto row = rows.row(b);
    result.data<std::int32_t>()[static_cast<std::size_t>(b)] =
        static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
  }
  return result;
}

}  // namespace relaxon::golden
