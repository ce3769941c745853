// Graphs that no network lowers to, but that are legal: every backend plans and runs them as the interpreter
// does.
#include <catch2/catch.hpp>

#include "tests/support/run_graph.hpp"

namespace relaxon {
namespace {

using testing::Bound;
using testing::indices;
using testing::reals;
using testing::signs;

void check_backends(const std::string& graph, const Bound& bound) {
  const std::string text = "graph \"g\" fixed 20\n" + graph;
  const std::vector<TensorPtr> expected = testing::run(Backend::interpreter, text, bound);
  for (const Backend backend : {Backend::kernels, Backend::jit}) {
    if (!has_backend(backend)) continue;
    INFO(name_of(backend) << "\n" << text);
    const std::vector<TensorPtr> given = testing::run(backend, text, bound);
    REQUIRE(given.size() == expected.size());
    for (std::size_t i = 0; i < given.size(); ++i) CHECK(*given[i] == *expected[i]);
  }
}

TEST_CASE("values of a few kinds may follow any numbers in a carry", "[plan][run]") {
  const std::string scan = R"(%h = scan %n (%a = %z) {
  yield %x
} : f32[B,2]
return "h" %h
)";
  const std::string others = "%n = input \"n\" : i32[]\n%z = input \"z\" : f32[B,2]\n";
  const Tensor z = reals({2, 2}, {0.25f, -3, 1e-3f, 7});
  for (const int n : {0, 2}) {
    check_backends(others + "%x = input \"x\" : tern[B,2]\n" + scan,
                   {{"n", indices({}, {n})}, {"z", z}, {"x", signs({2, 2}, {1, -1, 0, 1})}});
    check_backends(others + "%x = input \"x\" : two{1.5,-0.5}[B,2]\n" + scan,
                   {{"n", indices({}, {n})}, {"z", z}, {"x", reals({2, 2}, {1.5f, -0.5f, 0, 1.5f})}});
  }
}

TEST_CASE("a weight may be its own moment, a moment another input", "[plan][run]") {
  const std::string inputs = R"(%w = param "w" : f32[2,2]
%m = input "m" : f32[2,2]
%S = input "S" : f32[2,2]
%c = input "c" : f32[4]
)";
  const Bound bound{{"w", reals({2, 2}, {1, 2, 3, 4})},
                    {"m", reals({2, 2}, {0.5f, 0, -1, 2})},
                    {"S", reals({2, 2}, {1, -1, 0, 2})},
                    {"c", reals({4}, {0.5f, 0.25f, 0.9f, 0.1f})}};
  for (const std::string moment : {"%m", "%w"}) {
    check_backends(inputs + "%w1, %m1 = apply %w, " + moment +
                       ", %S, %c {momentum edge=1-0} : f32[2,2], f32[2,2]\nreturn \"w\" %w1, \"m\" %m1\n",
                   bound);
  }
}

TEST_CASE("rows are taken of any table, for any list", "[plan][run]") {
  // A list as long as no batch is; a row of a weight.
  check_backends(R"(%t = input "t" : f32[N,2]
%i = input "i" : i32[M]
%r = take %t, %i : f32[M,2]
return "r" %r
)",
                 {{"t", reals({3, 2}, {1, 2, 3, 4, 5, 6})}, {"i", indices({2}, {2, 0})}});
  check_backends(R"(%w = param "w" : f32[3,2]
%i = input "i" : i32[]
%r = take %w, %i : f32[2]
return "r" %r
)",
                 {{"w", reals({3, 2}, {1, 2, 3, 4, 5, 6})}, {"i", indices({}, {1})}});
}

}  // namespace
}  // namespace relaxon
