// The weight of one edge: its values, and which connections they belong to.
#pragma once

#include <Eigen/SparseCore>

#include "core/pattern.hpp"
#include "core/tensor.hpp"

namespace relaxon {

/// Dense: `values` is float32 (d, K), sender by receiver, and there is no pattern. Sparse: one float32 value
/// for each entry of the pattern, in its order.
struct Weight {
  Tensor values;
  PatternPtr pattern;

  bool is_sparse() const { return pattern != nullptr; }
  /// d and K.
  std::int64_t senders() const { return pattern ? pattern->senders : values.shape()[0]; }
  std::int64_t receivers() const { return pattern ? pattern->receivers : values.shape()[1]; }
};

/// The weight as a (d, K) matrix, 0 where nothing is connected.
Tensor to_dense(const Weight& weight);

using SparseMap = Eigen::Map<const Eigen::SparseMatrix<float, Eigen::RowMajor>>;

/// A sparse weight as Eigen sees it, without a copy; valid as long as the weight is.
SparseMap sparse_map(const Weight& weight);

}  // namespace relaxon
