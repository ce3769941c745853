// Loops, regions and what is refused when a graph runs.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/math.hpp"
#include "tests/support/files.hpp"
#include "tests/support/run_graph.hpp"

using namespace relaxon;
using namespace relaxon::testing;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
const std::string graph = "graph \"g\" fixed 4\n";  // one unit is 1/16

}  // namespace

TEST_CASE("scan", "[interpreter]") {
  const std::string text = graph +
                           "%n = input \"n\" : i32[] %s = input \"s\" : tern[B,2] %w = param \"w\" : f32[2,2]"
                           " %r = scan %n (%c = %s) { %h = message %c, %w {dense fixed} %t = threshold %h "
                           "{sign} probe \"t\" %t yield %t } return \"r\" %r";
  // A swap of the two units.
  const Tensor swap = reals({2, 2}, {0, 1, 1, 0});
  const auto after = [&](std::int32_t n) {
    return result_of(text, {{"n", Tensor::scalar(n)}, {"s", signs({1, 2}, {1, -1})}, {"w", swap}});
  };
  CHECK(after(0) == signs({1, 2}, {1, -1}));
  CHECK(after(1) == signs({1, 2}, {-1, 1}));
  CHECK(after(2) == signs({1, 2}, {1, -1}));
  CHECK(error_of([&] { after(-1); }) == "scan: -1 iterations; expected at least 0");
}

TEST_CASE("scan ends where nothing changes any more", "[interpreter]") {
  const auto iterations = [](const std::string& until, const std::string& carry, Tensor start) {
    const std::string text =
        graph + "%n = input \"n\" : i32[] %s = input \"s\" : " + carry +
        "[B,2] %w = param \"w\" : f32[2,2] %r = scan %n (%c = %s) " + until +
        " { %m = message %c, %w {dense} %t = threshold %m {sign} probe \"t\" %t yield %t } return \"r\" %r";
    int count = 0;
    const auto sink = [&](std::string_view, const std::vector<std::int64_t>& at, const Tensor&) {
      CHECK(at == std::vector<std::int64_t>{count});
      ++count;
    };
    interpret(
        text,
        {{"n", Tensor::scalar(std::int32_t{9})}, {"s", std::move(start)}, {"w", reals({2, 2}, {1, 0, 1, 1})}},
        {}, sink);
    return count;
  };
  CHECK(iterations("", "tern", signs({1, 2}, {0, -1})) == 9);
  // -1 -1 after the first iteration, and from then on.
  CHECK(iterations("until unchanged(%c)", "tern", signs({1, 2}, {0, -1})) == 2);
  CHECK(iterations("until unchanged(%c)", "tern", signs({1, 2}, {-1, -1})) == 1);
  CHECK(iterations("until unchanged(%c)", "f32", reals({1, 2}, {-1, -1})) == 1);
}

TEST_CASE("a carry widens what the body yields", "[interpreter]") {
  const std::string text = graph +
                           "%n = input \"n\" : i32[] %x = input \"x\" : f32[2] %r = scan %n (%c = %x) { %t = "
                           "threshold %c {sign} yield %t } return \"r\" %r";
  CHECK(result_of(text, {{"n", Tensor::scalar(std::int32_t{2})}, {"x", reals({2}, {-0.5f, 7})}}) ==
        reals({2}, {-1, 1}));
  CHECK(result_of(text, {{"n", Tensor::scalar(std::int32_t{0})}, {"x", reals({2}, {-0.5f, 7})}}) ==
        reals({2}, {-0.5f, 7}));
}

TEST_CASE("for over batches, the last one smaller", "[interpreter]") {
  const std::string text = graph +
                           "%t = input \"t\" : f32[N,2] %c = input \"c\" : i32[N] %o = input \"o\" : i32[M] "
                           "%n = input \"n\" : i32[] %b = input \"b\" : i32[]"
                           " %z = zeros : i64[] %r = for %n, %i (%k = %z) { %rows = slice %o, %i, %b %x = "
                           "take %t, %rows %y = take %c, %rows"
                           " probe \"x\" %x %h = hits %k, %x, %y yield %h } return \"r\" %r";
  const Bound bound{{"t", reals({5, 2}, {1, 0, 0, 1, 1, 0, 0, 1, 1, 0})},
                    {"c", indices({5}, {0, 1, 1, 1, 0})},
                    {"o", indices({5}, {4, 3, 2, 1, 0})},
                    {"n", Tensor::scalar(std::int32_t{3})},
                    {"b", Tensor::scalar(std::int32_t{2})}};
  std::vector<Tensor> batches;
  const auto results = interpret(
      text, bound, {}, [&](std::string_view name, const std::vector<std::int64_t>& at, const Tensor& x) {
        CHECK(name == "x");
        CHECK(at == std::vector<std::int64_t>{static_cast<std::int64_t>(batches.size())});
        batches.push_back(x);
      });
  CHECK(*results[0] == Tensor::scalar(std::int64_t{4}));
  REQUIRE(batches.size() == 3);
  CHECK(batches[0] == reals({2, 2}, {1, 0, 0, 1}));
  CHECK(batches[2] == reals({1, 2}, {1, 0}));
  Bound beyond = bound;
  beyond["n"] = Tensor::scalar(std::int32_t{4});
  CHECK(error_running(text, beyond) == "slice: rows 6 .. of 5, 2 at a time");
  Bound empty = bound;
  empty["b"] = Tensor::scalar(std::int32_t{0});
  CHECK(error_running(text, empty) == "slice: rows 0 .. of 5, 0 at a time");
}

TEST_CASE("values of another batch are refused", "[interpreter]") {
  const std::string text =
      graph +
      "%x = input \"x\" : f32[B,1] %t = input \"t\" : f32[N,1] %o = input \"o\" : i32[M] %i = input \"i\" : "
      "i32[] %b = input \"b\" : i32[]"
      " %rows = slice %o, %i, %b %y = take %t, %rows %s = aggregate %x, %y return \"s\" %s";
  Bound bound{{"x", reals({2, 1}, {1, 2})},
              {"t", reals({3, 1}, {10, 20, 30})},
              {"o", indices({3}, {2, 1, 0})},
              {"i", Tensor::scalar(std::int32_t{0})},
              {"b", Tensor::scalar(std::int32_t{2})}};
  CHECK(result_of(text, bound) == reals({2, 1}, {31, 22}));
  bound["b"] = Tensor::scalar(std::int32_t{3});
  CHECK(error_running(text, bound) ==
        "aggregate: %x : f32[B,1] has shape (2, 1); the batch at hand asks for (3, 1)");
}

TEST_CASE("fuse computes its body once", "[interpreter]") {
  const std::string text = graph +
                           "%x = input \"x\" : f32[2] %a, %b = fuse { %h = to_fix %x %s = threshold %h "
                           "{sign} yield %s, %h } return \"a\" %a, \"b\" %b";
  const auto results = interpret(text, {{"x", reals({2}, {-1, 2})}});
  CHECK(*results[0] == signs({2}, {-1, 1}));
  CHECK(*results[1] == fields({2}, {-16, 32}));
}

TEST_CASE("arguments that don't fit", "[interpreter]") {
  const std::string text = graph +
                           "pattern @p [3,3]\n%x = input \"x\" : tern[B,3] %y = input \"y\" : f32[B,B] %w = "
                           "param \"w\" : f32[3,3]{@p} return";
  const Bound bound{{"x", signs({2, 3}, {1, 1, 1, 1, 1, 1})},
                    {"y", reals({2, 2}, {1, 2, 3, 4})},
                    {"w", reals({4}, {1, 2, 3, 4})}};
  const auto with = [&](const std::string& name, Tensor tensor) {
    Bound changed = bound;
    changed[name] = std::move(tensor);
    return error_running(text, changed, {small_pattern()});
  };
  CHECK(error_running(text, bound, {small_pattern()}) == "no error");
  CHECK(error_running(text, {}, {small_pattern()}) == "graph g: \"x\" is not bound");
  CHECK(with("x", reals({2, 3}, {1, 1, 1, 1, 1, 1})) == "graph g: \"x\" must be I8 [B,3], got F32 (2, 3)");
  CHECK(with("x", signs({6}, {1, 1, 1, 1, 1, 1})) == "graph g: \"x\" must be I8 [B,3], got I8 (6)");
  CHECK(with("x", signs({2, 2}, {1, 1, 1, 1})) == "graph g: \"x\" must be I8 [B,3], got I8 (2, 2)");
  CHECK(with("x", Tensor(DType::i8, {0, 3})) == "graph g: \"x\" must be I8 [B,3], got I8 (0, 3)");
  CHECK(with("y", reals({2, 1}, {1, 2})) == "graph g: \"y\" must be F32 [2,2], got F32 (2, 1)");
  CHECK(with("w", reals({9}, std::vector<float>(9))) == "graph g: \"w\" must be F32 [4], got F32 (9)");
  Pattern other = small_pattern();
  other.senders = 2;
  CHECK(error_running(text, bound, {other}) == "graph g: pattern @p has shape [3,3], bound is [2,3]");
}

TEST_CASE("values without an exact meaning", "[interpreter]") {
  const std::string message = graph +
                              "%x = input \"x\" : tern[B,2] %w = param \"w\" : f32[2,2] %h = message %x, %w "
                              "{dense edge=2-1 fixed} return \"h\" %h";
  const auto weight = [&](float w) {
    return error_running(message, {{"x", signs({1, 2}, {0, 0})}, {"w", reals({2, 2}, {0, 0, w, 0})}});
  };
  CHECK(weight(134217720.0f) == "no error");
  CHECK(weight(134217728.0f) ==
        "edge 2-1: weight (1, 0) = 134217730; with 4 fixed bits it must be below 134217730 in magnitude");
  CHECK(weight(-infinity) ==
        "edge 2-1: weight (1, 0) = -inf; with 4 fixed bits it must be below 134217730 in magnitude");
  CHECK(weight(std::nanf("")) ==
        "edge 2-1: weight (1, 0) = nan; with 4 fixed bits it must be below 134217730 in magnitude");
  const std::string sparse = graph +
                             "pattern @p [3,3]\n%x = input \"x\" : tern[B,3] %w = param \"w\" : f32[3,3]{@p} "
                             "%h = message %x, %w {dense edge=1-1 fixed} return \"h\" %h";
  CHECK(error_running(sparse, {{"x", signs({1, 3}, {0, 0, 0})}, {"w", reals({4}, {0, 0, infinity, 0})}},
                      {small_pattern()}) ==
        "edge 1-1: weight (1, 0) = inf; with 4 fixed bits it must be below 134217730 in magnitude");
  const std::string to_fix = graph + "%x = input \"x\" : f32[1] %h = to_fix %x return \"h\" %h";
  CHECK(result_of(to_fix, {{"x", reals({1}, {-0x1.fffffep58f})}}) == fields({1}, {-0x7fffff8000000000}));
  CHECK(error_running(to_fix, {{"x", reals({1}, {0x1p59f})}}) ==
        "to_fix: %x = 5.7646075e+17 has no exact value in 64 bits with 4 fractional ones");
  CHECK(error_running(to_fix, {{"x", reals({1}, {std::nanf("")})}}) ==
        "to_fix: %x = nan has no exact value in 64 bits with 4 fractional ones");
  const std::string take =
      graph + "%t = input \"t\" : f32[N] %i = input \"i\" : i32[B] %r = take %t, %i return \"r\" %r";
  CHECK(error_running(take, {{"t", reals({3}, {1, 2, 3})}, {"i", indices({2}, {0, 3})}}) ==
        "take: index 3 of a table of 3 rows");
  CHECK(error_running(take, {{"t", reals({3}, {1, 2, 3})}, {"i", indices({1}, {-1})}}) ==
        "take: index -1 of a table of 3 rows");
  const std::string apply = graph +
                            "%w = param \"w\" : f32[1,1] %s = input \"s\" : f32[1,1] %c = input \"c\" : "
                            "f32[2] %v = apply %w, %s, %c {sgd edge=1-0} return \"w\" %v";
  CHECK(error_running(
            apply, {{"w", reals({1, 1}, {1})}, {"s", reals({1, 1}, {3e38f})}, {"c", reals({2}, {10, 0})}}) ==
        "edge 1-0: weight (0, 0) = inf after an update, its moments 0 and 0; expected finite numbers");
}
