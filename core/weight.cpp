#include "core/weight.hpp"

#include "core/error.hpp"

namespace relaxon {

Tensor to_dense(const Weight& weight) {
  if (!weight.is_sparse()) return weight.values;
  const Pattern& pattern = *weight.pattern;
  Tensor dense(DType::f32, {pattern.senders, pattern.receivers});
  auto matrix = dense.matrix<float>();
  const auto values = weight.values.data<float>();
  std::size_t entry = 0;
  for (std::int64_t sender = 0; sender < pattern.senders; ++sender) {
    for (const std::int32_t receiver : pattern.receivers_of(sender))
      matrix(sender, receiver) = values[entry++];
  }
  return dense;
}

SparseMap sparse_map(const Weight& weight) {
  if (!weight.is_sparse()) internal_error("a dense weight has no sparse view");
  const Pattern& pattern = *weight.pattern;
  return {pattern.senders,        pattern.receivers,       pattern.entries(),
          pattern.offsets.data(), pattern.receiver.data(), weight.values.data<float>().data()};
}

}  // namespace relaxon
