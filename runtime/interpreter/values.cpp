#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/fixed_point.hpp"
#include "runtime/interpreter/evaluate.hpp"
#include "runtime/weight_errors.hpp"

namespace relaxon::interpreter {

Shape stored_shape(const Type& type, const Symbols& symbols, const std::vector<PatternPtr>& patterns) {
  if (type.entries.kind == Entries::Kind::sparse) {
    return {patterns.at(static_cast<std::size_t>(type.entries.pattern.index))->entries()};
  }
  Shape shape;
  for (const Dim& d : type.dims) {
    if (d.is_symbolic() && symbols[static_cast<std::size_t>(d.symbol)] < 1) {
      fail("axis {} has no length; an argument or a slice must give it one of at least 1", d.symbol);
    }
    shape.push_back(d.is_symbolic() ? symbols[static_cast<std::size_t>(d.symbol)] : d.length);
  }
  return shape;
}

Tensor Evaluation::result(std::size_t i) const {
  const Type& type = result_type(i);
  return Tensor(stored_as(type.elem), stored_shape(type, symbols, patterns));
}

const Pattern* Evaluation::pattern(const Type& type) const {
  if (type.entries.kind != Entries::Kind::sparse) return nullptr;
  return patterns.at(static_cast<std::size_t>(type.entries.pattern.index)).get();
}

std::vector<float> reals(const Tensor& tensor) {
  std::vector<float> result(static_cast<std::size_t>(tensor.size()));
  const auto convert = [&](auto span) { std::transform(span.begin(), span.end(), result.begin(), [](auto v) { return static_cast<float>(v); }); };
  switch (tensor.dtype()) {
    case DType::f32: convert(tensor.data<float>()); break;
    case DType::i8: convert(tensor.data<std::int8_t>()); break;
    case DType::u8: convert(tensor.data<std::uint8_t>()); break;
    case DType::i64: convert(tensor.data<std::int64_t>()); break;
    default: internal_error("{} values are not real numbers", name_of(tensor.dtype()));
  }
  return result;
}

std::vector<std::int64_t> integers(const Tensor& tensor) {
  std::vector<std::int64_t> result(static_cast<std::size_t>(tensor.size()));
  if (tensor.dtype() == DType::u8) {
    const auto bytes = tensor.data<std::uint8_t>();
    std::copy(bytes.begin(), bytes.end(), result.begin());
  } else {
    const auto signs = tensor.data<std::int8_t>();
    std::copy(signs.begin(), signs.end(), result.begin());
  }
  return result;
}

std::string describe_entry(const Evaluation& e, const std::optional<EdgeId>& edge, const Type& type, std::size_t entry) {
  auto flat = static_cast<std::int64_t>(entry);
  if (const Pattern* p = e.pattern(type)) {
    const auto sender = std::upper_bound(p->offsets.begin(), p->offsets.end(), flat) - p->offsets.begin() - 1;
    return weight_entry(edge, sender, p->receiver[entry]);
  }
  Shape index(type.rank());
  for (std::size_t axis = type.rank(); axis-- > 0;) {
    index[axis] = flat % type.dims[axis].length;
    flat /= type.dims[axis].length;
  }
  if (index.size() == 2) return weight_entry(edge, index[0], index[1]);
  return fmt::format("{}weight {}", edge ? fmt::format("edge {}: ", to_string(*edge)) : "", to_string(index));
}

std::vector<bool> fixed_entries(const Evaluation& e, const Type& type) {
  std::vector<bool> fixed;
  if (const Pattern* p = e.pattern(type)) {
    if (!p->fixed_diagonal) return fixed;
    fixed.resize(static_cast<std::size_t>(p->entries()));
    for (std::int64_t j = 0; j < p->senders; ++j) {
      for (auto i = static_cast<std::size_t>(p->offsets[static_cast<std::size_t>(j)]);
           i < static_cast<std::size_t>(p->offsets[static_cast<std::size_t>(j) + 1]); ++i) {
        fixed[i] = p->receiver[i] == j;
      }
    }
    return fixed;
  }
  if (type.entries.kind != Entries::Kind::offdiag) return fixed;
  const Shape shape = stored_shape(type, e.symbols, e.patterns);
  fixed.resize(static_cast<std::size_t>(count(shape)));
  if (shape.size() == 2) {
    for (std::int64_t k = 0; k < shape[0]; ++k) fixed[static_cast<std::size_t>(k * shape[1] + k)] = true;
    return fixed;
  }
  const std::int64_t centre = (shape[0] / 2 * shape[1] + shape[1] / 2) * shape[2];
  for (std::int64_t k = 0; k < shape[3]; ++k) {
    fixed[static_cast<std::size_t>((centre + k % shape[2]) * shape[3] + k)] = true;
  }
  return fixed;
}

Results constant(const Evaluation& e) {
  const auto& a = e.attributes<ConstantAttributes>();
  Results results;
  results.push_back(a.elem == Elem::f32 ? Tensor::scalar(a.real) : Tensor::scalar(a.integer));
  return results;
}

namespace {

Results one(Tensor tensor) {
  Results results;
  results.push_back(std::move(tensor));
  return results;
}

}  // namespace

Results zeros(const Evaluation& e) { return one(e.result()); }

Results take(const Evaluation& e) {
  const Tensor& table = e.operand(0);
  const auto index = e.operand(1).data<std::int32_t>();
  Shape shape = e.operand(1).shape();
  shape.insert(shape.end(), table.shape().begin() + 1, table.shape().end());
  Tensor result(table.dtype(), shape);
  const std::int64_t rows = table.shape()[0];
  const std::size_t bytes = rows == 0 ? 0 : table.bytes() / static_cast<std::size_t>(rows);
  for (std::size_t i = 0; i < index.size(); ++i) {
    if (index[i] < 0 || index[i] >= rows) fail("take: index {} of a table of {} rows", index[i], rows);
    std::copy_n(table.raw() + static_cast<std::size_t>(index[i]) * bytes, bytes, result.raw() + i * bytes);
  }
  return one(std::move(result));
}

Results slice(const Evaluation& e) {
  const auto order = e.operand(0).data<std::int32_t>();
  const std::int64_t size = e.operand(2).data<std::int32_t>()[0];
  const std::int64_t begin = e.operand(1).data<std::int32_t>()[0] * size;
  const auto length = static_cast<std::int64_t>(order.size());
  if (size < 1 || begin < 0 || begin >= length) fail("slice: rows {} .. of {}, {} at a time", begin, length, size);
  const std::int64_t end = std::min(begin + size, length);
  return one(Tensor::of<std::int32_t>({end - begin}, order.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin))));
}

Results affine(const Evaluation& e) {
  std::vector<float> x = reals(e.operand(0));
  const float a = e.operand(1).data<float>()[0];
  const float b = e.operand(2).data<float>()[0];
  const Type& type = e.operand_type(0);
  for (float& v : x) {
    if (type.elem == Elem::u8) v = v * type.scale;
    v = a * v + b;
  }
  return one(Tensor::of<float>(e.operand(0).shape(), x));
}

Results gate(const Evaluation& e) {
  std::vector<float> x = reals(e.operand(0));
  const auto g = e.operand(1).data<float>();
  const Shape& of = e.operand(0).shape();
  const Shape& shape = e.operand(1).shape();
  const auto row = static_cast<std::size_t>(e.operand(0).size() / of[0]);
  const bool per_sample = shape[0] == of[0];
  const bool per_sender = shape.size() == 2 && shape[1] == of[1];
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t sample = per_sample ? i / row : 0;
    x[i] = x[i] * (per_sender ? g[sample * row + i % row] : g[sample]);
  }
  return one(Tensor::of<float>(e.operand(0).shape(), x));
}

Results subtract(const Evaluation& e) {
  std::vector<float> a = reals(e.operand(0));
  const std::vector<float> b = reals(e.operand(1));
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = a[i] - b[i];
  return one(Tensor::of<float>(e.operand(0).shape(), a));
}

Results add(const Evaluation& e) {
  const std::int32_t a = e.operand(0).data<std::int32_t>()[0];
  const std::int32_t b = e.operand(1).data<std::int32_t>()[0];
  std::int32_t sum = 0;
  if (a < 0 || b < 0 || __builtin_add_overflow(a, b, &sum)) {
    fail("add: {} and {}; expected counts of at least 0 with a sum below 2147483648", a, b);
  }
  return one(Tensor::scalar(sum));
}

Results to_fix(const Evaluation& e) {
  const int bits = e.graph.fixed_bits();
  const std::vector<float> x = reals(e.operand(0));
  Tensor result = e.result();
  auto h = result.data<std::int64_t>();
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!fits_int64(x[i], bits)) {
      fail_message_limit(e.graph.value(e.op.operands[0]).hint, x[i], bits);
    }
    h[i] = to_fixed(x[i], bits);
  }
  return one(std::move(result));
}

Results to_f32(const Evaluation& e) {
  const Type& type = e.operand_type(0);
  Tensor result = e.result();
  auto out = result.data<float>();
  if (type.elem == Elem::fix) {
    const auto h = e.operand(0).data<std::int64_t>();
    for (std::size_t i = 0; i < h.size(); ++i) out[i] = from_fixed(h[i], e.graph.fixed_bits());
    return one(std::move(result));
  }
  const std::vector<float> x = reals(e.operand(0));
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = type.elem == Elem::u8 ? x[i] * type.scale : x[i];
  return one(std::move(result));
}

Results hits(const Evaluation& e) {
  const auto scores = e.operand(1).data<float>();
  const auto classes = e.operand(2).data<std::int32_t>();
  const std::size_t outputs = scores.size() / classes.size();
  std::int64_t count = e.operand(0).data<std::int64_t>()[0];
  for (std::size_t b = 0; b < classes.size(); ++b) {
    const auto row = scores.subspan(b * outputs, outputs);
    const auto best = std::max_element(row.begin(), row.end()) - row.begin();  // the first of equal ones
    if (best == classes[b]) ++count;
  }
  return one(Tensor::scalar(count));
}

}  // namespace relaxon::interpreter
