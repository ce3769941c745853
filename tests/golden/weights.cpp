#include "tests/golden/weights.hpp"

#include "core/error.hpp"

namespace relaxon::golden {
namespace {

/// Calls visit(entry, place in the (d, K) matrix, whether it is on the diagonal).
template <class Visit>
void for_each_entry(const Pattern& pattern, Visit&& visit) {
  std::size_t entry = 0;
  for (std::int64_t sender = 0; sender < pattern.senders; ++sender) {
    for (const std::int32_t receiver : pattern.receivers_of(sender)) {
      visit(entry++, static_cast<std::size_t>(sender * pattern.receivers + receiver), sender == receiver);
    }
  }
}

}  // namespace

Tensor mask_of(const Pattern& pattern) {
  Tensor mask(DType::boolean, {pattern.senders, pattern.receivers});
  const auto connected = mask.data<bool>();
  for_each_entry(pattern, [&](std::size_t, std::size_t place, bool diagonal) {
    connected[place] = !(pattern.fixed_diagonal && diagonal);
  });
  return mask;
}

PatternPtr pattern_of(const std::string& name, const Tensor& mask, bool fixed_diagonal) {
  if (mask.dtype() != DType::boolean || mask.shape().size() != 2) {
    fail("tensor {}: expected BOOL (d, K), got {} {}", name, name_of(mask.dtype()), to_string(mask.shape()));
  }
  Pattern pattern;
  pattern.senders = mask.shape()[0];
  pattern.receivers = mask.shape()[1];
  pattern.fixed_diagonal = fixed_diagonal;
  pattern.offsets.push_back(0);
  const auto connected = mask.matrix<bool>();
  for (std::int64_t j = 0; j < pattern.senders; ++j) {
    for (std::int64_t k = 0; k < pattern.receivers; ++k) {
      if (fixed_diagonal && j == k && connected(j, k))
        fail("tensor {} at ({}, {}): the diagonal is connected", name, j, k);
      if (connected(j, k) || (fixed_diagonal && j == k))
        pattern.receiver.push_back(static_cast<std::int32_t>(k));
    }
    pattern.offsets.push_back(static_cast<std::int32_t>(pattern.entries()));
  }
  return std::make_shared<const Pattern>(std::move(pattern));
}

Weight from_dense(const Tensor& matrix, const PatternPtr& pattern) {
  if (!pattern) return {matrix, nullptr};
  Tensor values(DType::f32, {pattern->entries()});
  for_each_entry(*pattern, [&](std::size_t entry, std::size_t place, bool) {
    values.data<float>()[entry] = matrix.data<float>()[place];
  });
  return {std::move(values), pattern};
}

}  // namespace relaxon::golden
