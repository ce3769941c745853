// Running a graph given as text, for tests of what ops compute.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/pattern.hpp"
#include "core/tensor.hpp"
#include "runtime/program.hpp"

namespace relaxon::testing {

/// Arguments by the name of their binding.
using Bound = std::map<std::string, Tensor>;

/// The results of the interpreter on a graph in text form, in the order of its return op.
std::vector<TensorPtr> interpret(std::string_view text, Bound bound, std::vector<Pattern> patterns = {},
                                 const ProbeSink& probes = {});

/// interpret() of a graph with one result.
Tensor result_of(std::string_view text, Bound bound, std::vector<Pattern> patterns = {});

Tensor reals(Shape shape, std::vector<float> values);
Tensor signs(Shape shape, std::vector<int> values);
Tensor bytes(Shape shape, std::vector<int> values);
Tensor fields(Shape shape, std::vector<std::int64_t> values);
Tensor indices(Shape shape, std::vector<std::int32_t> values);

}  // namespace relaxon::testing
