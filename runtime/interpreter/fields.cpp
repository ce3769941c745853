#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/fixed_point.hpp"
#include "core/math.hpp"
#include "runtime/interpreter/connections.hpp"
#include "runtime/interpreter/evaluate.hpp"
#include "runtime/weight_errors.hpp"

namespace relaxon::interpreter {
namespace {

Results one(Tensor tensor) {
  Results results;
  results.push_back(std::move(tensor));
  return results;
}

/// Shape of a weight as its map sees it, also where it is stored as entries.
Shape mapped_shape(const Type& type) {
  Shape shape;
  for (const Dim& d : type.dims) shape.push_back(d.length);
  return shape;
}

/// q of every entry of a weight.
std::vector<std::int64_t> quantised(const Evaluation& e, std::size_t operand, const std::optional<EdgeId>& edge) {
  const int bits = e.graph.fixed_bits();
  const auto w = e.operand(operand).data<float>();
  std::vector<std::int64_t> q(w.size());
  for (std::size_t i = 0; i < w.size(); ++i) {
    if (!(std::fabs(w[i]) < weight_limit(bits))) {
      fail_weight_limit(describe_entry(e, edge, e.operand_type(operand), i), w[i], bits);
    }
    q[i] = to_fixed(w[i], bits);
  }
  return q;
}

/// h += sign * (the exact message of x).
void add_exact_message(const Evaluation& e, std::size_t sender, std::size_t weight, std::int64_t sign, std::span<std::int64_t> h) {
  const auto& a = e.attributes<MessageAttributes>();
  const std::vector<std::int64_t> q = quantised(e, weight, a.edge);
  const std::vector<std::int64_t> x = integers(e.operand(sender));
  const Type& type = e.operand_type(weight);
  for_each_connection(a.map, e.operand(sender).shape(), stored_shape(e.result_type(), e.symbols, e.patterns), mapped_shape(type), e.pattern(type),
                      [&](std::int64_t k, std::int64_t j, std::int64_t w) {
                        h[static_cast<std::size_t>(k)] += sign * x[static_cast<std::size_t>(j)] * q[static_cast<std::size_t>(w)];
                      });
}

}  // namespace

Results message(const Evaluation& e) {
  const auto& a = e.attributes<MessageAttributes>();
  Tensor result = e.result();
  if (a.fixed) {
    add_exact_message(e, 0, 1, 1, result.data<std::int64_t>());
    return one(std::move(result));
  }
  std::vector<float> x = reals(e.operand(0));
  const Type& sender = e.operand_type(0);
  // A byte is scaled first where a message is one product, last where it is a sum of products.
  const bool elementwise = a.map.kind == MapKind::diag || a.map.kind == MapKind::repeat || a.map.kind == MapKind::broadcast;
  if (sender.elem == Elem::u8 && elementwise) {
    for (float& v : x) v = v * sender.scale;
  }
  const auto w = e.operand(1).data<float>();
  auto acc = result.data<float>();
  const Type& weight = e.operand_type(1);
  for_each_connection(a.map, e.operand(0).shape(), result.shape(), mapped_shape(weight), e.pattern(weight),
                      [&](std::int64_t k, std::int64_t j, std::int64_t i) {
                        float& sum = acc[static_cast<std::size_t>(k)];
                        sum = std::fma(x[static_cast<std::size_t>(j)], w[static_cast<std::size_t>(i)], sum);
                      });
  if (sender.elem == Elem::u8 && !elementwise) {
    for (float& v : acc) v = v * sender.scale;
  }
  return one(std::move(result));
}

Results advance(const Evaluation& e) {
  Tensor result = e.operand(0);
  const auto h = result.data<std::int64_t>();
  std::vector<std::int64_t> change(h.size());
  add_exact_message(e, 1, 3, -1, change);
  add_exact_message(e, 2, 3, 1, change);
  for (std::size_t i = 0; i < h.size(); ++i) {
    if (__builtin_add_overflow(h[i], change[i], &h[i])) fail("advance: {} leaves 64 bits", e.graph.describe(e.op.results[0]));
  }
  return one(std::move(result));
}

Results majority(const Evaluation& e) {
  const auto& a = e.attributes<WindowAttributes>();
  Tensor result = e.result();
  std::vector<float> sums(static_cast<std::size_t>(result.size()));
  const std::vector<float> x = reals(e.operand(0));
  const Shape& sender = e.operand(0).shape();
  if (a.axes.empty()) {
    // A window is a convolution of each channel with ones.
    MapAttributes window;
    window.kind = MapKind::conv;
    window.stride = a.stride;
    window.padding = a.padding;
    window.groups = sender[3];
    convolution_connections(window, sender, result.shape(), {a.kernel[0], a.kernel[1], 1, sender[3]},
                            [&](std::int64_t k, std::int64_t j, std::int64_t) { sums[static_cast<std::size_t>(k)] += x[static_cast<std::size_t>(j)]; });
  } else {
    for (std::int64_t j = 0; j < e.operand(0).size(); ++j) {
      std::int64_t rest = j, k = 0, stride = 1;
      for (std::size_t axis = sender.size(); axis-- > 0;) {
        const std::int64_t at = rest % sender[axis];
        rest /= sender[axis];
        if (std::find(a.axes.begin(), a.axes.end(), static_cast<std::int64_t>(axis)) != a.axes.end()) continue;
        k += at * stride;
        stride *= sender[axis];
      }
      sums[static_cast<std::size_t>(k)] += x[static_cast<std::size_t>(j)];
    }
  }
  auto out = result.data<std::int8_t>();
  for (std::size_t i = 0; i < sums.size(); ++i) out[i] = sums[i] > 0 ? 1 : -1;
  return one(std::move(result));
}

Results aggregate(const Evaluation& e) {
  Tensor result = e.operand(0);
  for (std::size_t m = 1; m < e.operands.size(); ++m) {
    if (e.result_type().elem == Elem::f32) {
      auto sum = result.data<float>();
      const auto message = e.operand(m).data<float>();
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = sum[i] + message[i];
    } else {
      auto sum = result.data<std::int64_t>();
      const auto message = e.operand(m).data<std::int64_t>();
      for (std::size_t i = 0; i < sum.size(); ++i) {
        if (__builtin_add_overflow(sum[i], message[i], &sum[i])) {
          fail("aggregate: {} leaves 64 bits", e.graph.describe(e.op.results[0]));
        }
      }
    }
  }
  return one(std::move(result));
}

Results threshold(const Evaluation& e) {
  const Activation activation = e.attributes<ThresholdAttributes>().activation;
  if (activation == Activation::identity) return one(e.operand(0));
  Tensor result = e.result();
  if (activation == Activation::tanh) {
    const auto h = e.operand(0).data<float>();
    auto out = result.data<float>();
    for (std::size_t i = 0; i < h.size(); ++i) out[i] = tanh_f32(h[i]);
    return one(std::move(result));
  }
  auto out = result.data<std::int8_t>();
  const auto sign = [&](auto h) {
    for (std::size_t i = 0; i < h.size(); ++i) {
      const bool zero = h[i] == 0 && activation == Activation::sign0;
      out[i] = zero ? 0 : h[i] >= 0 ? 1 : -1;
    }
  };
  if (e.operand(0).dtype() == DType::f32) {
    sign(e.operand(0).data<float>());
  } else {
    sign(e.operand(0).data<std::int64_t>());
  }
  return one(std::move(result));
}

}  // namespace relaxon::interpreter
