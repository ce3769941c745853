// Kind "rng": draws, splits and permutations, bit for bit.
#include "core/error.hpp"
#include "core/rng.hpp"
#include "tests/golden/case.hpp"
#include "tests/golden/readers.hpp"

namespace relaxon::golden {
namespace {

Tensor words_of(const std::vector<Key>& keys, Shape shape) {
  Tensor words(DType::u32, std::move(shape));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    words.data<std::uint32_t>()[2 * i] = keys[i].hi;
    words.data<std::uint32_t>()[2 * i + 1] = keys[i].lo;
  }
  return words;
}

Tensor as_boolean(const Shape& shape, const std::vector<std::uint8_t>& values) {
  Tensor result(DType::boolean, shape);
  for (std::size_t i = 0; i < values.size(); ++i) result.data<bool>()[i] = values[i] != 0;
  return result;
}

/// What `op` gives under `key`, in the shape of `expected`.
Tensor draw(const JsonValue& spec, Key key, RngLayout layout, const Tensor& expected) {
  const std::string op = spec.at("op").text();
  const JsonValue params = spec.at("params");
  if (op == "key") return words_of({key}, {2});
  if (op == "fold_in") {
    constexpr std::int64_t largest = std::numeric_limits<std::uint32_t>::max();
    return words_of({fold_in(key, static_cast<std::uint32_t>(params.at("data").integer(0, largest)))}, {2});
  }
  if (op == "split") {
    const std::int64_t n = params.at("n").integer(1, std::max<std::int64_t>(1, expected.size()));
    return words_of(split(key, n, layout), {n, 2});
  }
  Shape shape;
  for (const JsonValue& length : spec.at("shape").list()) shape.push_back(length.integer());
  if (shape != expected.shape()) {
    fail("tensor {}: shape {}, the draw has {}", spec.at("tensor").text(), to_string(expected.shape()),
         to_string(shape));
  }
  const std::int64_t n = expected.size();
  if (op == "bits") return Tensor::of(shape, bits(key, n, layout));
  if (op == "normal") return Tensor::of(shape, normal(key, n, layout));
  if (op == "permutation") return Tensor::of(shape, permutation(key, n, layout));
  if (op == "bernoulli") return as_boolean(shape, bernoulli(key, n, params.at("p").number(), layout));
  if (op == "uniform") {
    const auto lo = static_cast<float>(params.at("lo").number());
    const auto hi = static_cast<float>(params.at("hi").number());
    return Tensor::of(shape, uniform(key, n, lo, hi, layout));
  }
  spec.at("op").refuse("key, split, fold_in, bits, uniform, bernoulli, normal or permutation");
}

}  // namespace

void run_rng_case(const Case& golden) {
  for (const JsonValue& spec : golden.json().at("draws").list()) {
    const std::string name = spec.at("tensor").text();
    const Tensor& expected = golden.tensors.at(name);
    const RngLayout layout = read_layout(spec.at("layout"));
    const Key root = key_of(spec.at("seed").seed());
    const Key key = walk(root, read_key_path(spec.at("key_path")), layout);
    const bool is_normal = spec.at("op").text() == "normal";
    compare(name, expected, draw(spec, key, layout, expected), {.ulps = is_normal ? 3 : 0});
  }
}

}  // namespace relaxon::golden
