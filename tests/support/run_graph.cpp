#include "tests/support/run_graph.hpp"

#include <stdexcept>

#include "ir/text.hpp"
#include "ir/verify.hpp"

namespace relaxon::testing {

std::vector<TensorPtr> run(Backend backend, std::string_view text, Bound bound, std::vector<Pattern> patterns,
                           const ProbeSink& probes) {
  Graph graph = parse(text, "test.rx");
  verify(graph);
  Arguments arguments;
  for (std::size_t i = 0; i < graph.bindings().size(); ++i) {
    const auto found = bound.find(graph.binding(i).name);
    arguments.bindings.push_back(found == bound.end() ? nullptr
                                                      : std::make_shared<const Tensor>(found->second));
  }
  for (Pattern& p : patterns) arguments.patterns.push_back(std::make_shared<const Pattern>(std::move(p)));
  return compile(std::move(graph), backend)->run(arguments, probes);
}

std::vector<TensorPtr> interpret(std::string_view text, Bound bound, std::vector<Pattern> patterns,
                                 const ProbeSink& probes) {
  return run(Backend::interpreter, text, std::move(bound), std::move(patterns), probes);
}

Tensor result_of(std::string_view text, Bound bound, std::vector<Pattern> patterns) {
  const std::vector<TensorPtr> results = interpret(text, std::move(bound), std::move(patterns));
  if (results.size() != 1) throw std::logic_error("the graph has not one result");
  return *results[0];
}

namespace {

template <class Stored, class T>
Tensor stored(Shape shape, const std::vector<T>& values) {
  std::vector<Stored> converted;
  for (const T v : values) converted.push_back(static_cast<Stored>(v));
  return Tensor::of<Stored>(std::move(shape), std::span<const Stored>(converted));
}

}  // namespace

Tensor reals(Shape shape, std::vector<float> values) { return stored<float>(std::move(shape), values); }
Tensor signs(Shape shape, std::vector<int> values) { return stored<std::int8_t>(std::move(shape), values); }
Tensor bytes(Shape shape, std::vector<int> values) { return stored<std::uint8_t>(std::move(shape), values); }
Tensor fields(Shape shape, std::vector<std::int64_t> values) {
  return stored<std::int64_t>(std::move(shape), values);
}
Tensor indices(Shape shape, std::vector<std::int32_t> values) {
  return stored<std::int32_t>(std::move(shape), values);
}

}  // namespace relaxon::testing
