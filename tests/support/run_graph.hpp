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
#include "tests/support/files.hpp"

namespace relaxon::testing {

/// Arguments by the name of their binding.
using Bound = std::map<std::string, Tensor>;

/// The results of a backend on a graph in text form, in the order of its return op.
std::vector<TensorPtr> run(Backend backend, std::string_view text, Bound bound,
                           std::vector<Pattern> patterns = {}, const ProbeSink& probes = {});

/// run() by the interpreter.
std::vector<TensorPtr> interpret(std::string_view text, Bound bound, std::vector<Pattern> patterns = {},
                                 const ProbeSink& probes = {});

/// interpret() of a graph with one result.
Tensor result_of(std::string_view text, Bound bound, std::vector<Pattern> patterns = {});

Tensor reals(Shape shape, std::vector<float> values);
Tensor signs(Shape shape, std::vector<int> values);
Tensor bytes(Shape shape, std::vector<int> values);
Tensor fields(Shape shape, std::vector<std::int64_t> values);
Tensor indices(Shape shape, std::vector<std::int32_t> values);

/// Connections 0-1, 0-2, 1-0, 2-2 of [3,3]; with the diagonal where asked for.
inline Pattern small_pattern() {
  Pattern p;
  p.senders = p.receivers = 3;
  p.offsets = {0, 2, 3, 4};
  p.receiver = {1, 2, 0, 2};
  return p;
}

inline std::string error_running(const std::string& text, const Bound& bound,
                                 const std::vector<Pattern>& patterns = {}) {
  return error_of([&] { (void)interpret(text, bound, patterns); });
}

}  // namespace relaxon::testing
