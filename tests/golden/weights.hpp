// Weights between the (d, K) matrices of golden files and the entries of sparse ones.
#pragma once

#include <string>

#include "core/weight.hpp"

namespace relaxon::golden {

/// The connections as a BOOL (d, K); a fixed diagonal counts as not connected.
Tensor mask_of(const Pattern& pattern);

/// The connections of a BOOL (d, K) named `name`, with the diagonal if it is fixed.
PatternPtr pattern_of(const std::string& name, const Tensor& mask, bool fixed_diagonal);

/// The weight whose (d, K) matrix is `matrix`: all of it, or its values where `pattern` has entries.
Weight from_dense(const Tensor& matrix, const PatternPtr& pattern);

}  // namespace relaxon::golden
