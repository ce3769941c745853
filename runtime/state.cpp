#include "runtime/state.hpp"

#include <cmath>

#include "core/error.hpp"

namespace relaxon {
namespace {

Shape batch_shape(const Network& network, int buffer, std::int64_t batch) {
  Shape shape{batch};
  const Shape& size = network.map.sizes()[static_cast<std::size_t>(buffer)];
  shape.insert(shape.end(), size.begin(), size.end());
  return shape;
}

void check_shape(const Network& network, int buffer, const Tensor& given, std::int64_t batch) {
  const Shape expected = batch_shape(network, buffer, batch);
  if (given.shape() != expected) {
    fail("buffer {}: expected shape {}, got {}", buffer, to_string(expected), to_string(given.shape()));
  }
}

bool allowed(const Values& values, float v) {
  switch (values.kind) {
    case Values::Kind::real: return std::isfinite(v);
    case Values::Kind::ternary: return v == -1 || v == 0 || v == 1;
    case Values::Kind::two_valued: return v == values.a || v == values.b;
    case Values::Kind::bytes: return false;
  }
  internal_error("unknown values {}", static_cast<int>(values.kind));
}

std::string expected_values(const Values& values) {
  switch (values.kind) {
    case Values::Kind::real: return "a finite number";
    case Values::Kind::ternary: return "-1, 0 or 1, as declared";
    case Values::Kind::two_valued: return fmt::format("{} or {}, as declared", values.a, values.b);
    case Values::Kind::bytes: return "a byte";
  }
  internal_error("unknown values {}", static_cast<int>(values.kind));
}

template <class T>
void check_values(const Values& values, int buffer, const Tensor& given) {
  const auto data = given.data<T>();
  const std::size_t units = data.size() / static_cast<std::size_t>(given.shape()[0]);
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (!allowed(values, static_cast<float>(data[i]))) {
      fail("buffer {}: sample {}, unit {} is {}; expected {}", buffer, i / units, i % units,
           static_cast<float>(data[i]), expected_values(values));
    }
  }
}

/// A clamped buffer as its declared kind is stored: ternary i8, bytes u8, else f32.
Tensor stored(const Values& values, const Tensor& given) {
  if (values.kind != Values::Kind::ternary || given.dtype() == DType::i8) return given;
  Tensor signs(DType::i8, given.shape());
  const auto from = given.data<float>();
  const auto to = signs.data<std::int8_t>();
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = static_cast<std::int8_t>(from[i]);
  return signs;
}

}  // namespace

RowMajor<float> State::values(int index) const {
  const Tensor& b = buffer(index);
  switch (b.dtype()) {
    case DType::f32: return b.matrix<float>();
    case DType::i8: return b.matrix<std::int8_t>().cast<float>();
    case DType::u8: return b.matrix<std::uint8_t>().cast<float>();
    default: internal_error("a buffer holds {}", name_of(b.dtype()));
  }
}

void check_inputs(const Network& network, const Tensor& x) {
  if (x.shape().empty() || x.shape()[0] < 1)
    fail("buffer 0: expected a batch of at least one sample, got shape {}", to_string(x.shape()));
  check_shape(network, 0, x, x.shape()[0]);
  const bool bytes = network.input.kind == Values::Kind::bytes;
  const bool signs = network.input.kind == Values::Kind::ternary && x.dtype() == DType::i8;
  const DType expected = bytes ? DType::u8 : DType::f32;
  if (!signs && x.dtype() != expected)
    fail("buffer 0: expected {} elements, got {}", name_of(expected), name_of(x.dtype()));
  if (x.dtype() == DType::f32) check_values<float>(network.input, 0, x);
  if (x.dtype() == DType::i8) check_values<std::int8_t>(network.input, 0, x);
}

void check_labels(const Network& network, const Tensor& y, std::int64_t batch) {
  const int output = network.map.output();
  check_shape(network, output, y, batch);
  if (y.dtype() != DType::f32) fail("buffer {}: expected F32 elements, got {}", output, name_of(y.dtype()));
  check_values<float>(network.label, output, y);
}

State clamp(const Network& network, const Tensor& x, const Tensor* y) {
  check_inputs(network, x);
  const std::int64_t batch = x.shape()[0];
  if (y) check_labels(network, *y, batch);
  std::vector<Tensor> buffers{stored(network.input, x)};
  for (int row = 1; row < network.map.output(); ++row) {
    buffers.emplace_back(DType::i8, batch_shape(network, row, batch));
  }
  buffers.push_back(y ? *y : Tensor(DType::f32, batch_shape(network, network.map.output(), batch)));
  return State(std::move(buffers), y != nullptr);
}

}  // namespace relaxon
