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

TEST_CASE("data movement", "[interpreter]") {
  CHECK(result_of(graph + "%c = const 2.5 : f32[] return \"c\" %c", {}) == Tensor::scalar(2.5f));
  CHECK(result_of(graph + "%c = const -7 : i32[] return \"c\" %c", {}) == Tensor::scalar(std::int32_t{-7}));
  CHECK(result_of(graph + "%z = zeros : fix[2,1] return \"z\" %z", {}) == fields({2, 1}, {0, 0}));
  const std::string rows =
      graph + "%t = input \"t\" : f32[N,2] %i = input \"i\" : i32[B] %r = take %t, %i return \"r\" %r";
  CHECK(result_of(rows, {{"t", reals({3, 2}, {1, 2, 3, 4, 5, 6})}, {"i", indices({2}, {2, 0})}}) ==
        reals({2, 2}, {5, 6, 1, 2}));
  const std::string row =
      graph + "%t = input \"t\" : u8{1}[N,2] %i = input \"i\" : i32[] %r = take %t, %i return \"r\" %r";
  CHECK(result_of(row, {{"t", bytes({2, 2}, {1, 2, 3, 255})}, {"i", indices({}, {1})}}) ==
        bytes({2}, {3, 255}));
}

TEST_CASE("conversions", "[interpreter]") {
  const std::string fix = graph + "%x = input \"x\" : f32[B,4] %h = to_fix %x return \"h\" %h";
  // Halves of a unit go to the even integer.
  CHECK(result_of(fix, {{"x", reals({1, 4}, {1, 0.03125f, 0.09375f, -0.09375f})}}) ==
        fields({1, 4}, {16, 0, 2, -2}));
  const std::string f32 = graph + "%h = input \"h\" : fix[2] %x = to_f32 %h return \"x\" %x";
  CHECK(result_of(f32, {{"h", fields({2}, {-3, (1 << 24) + 1})}}) == reals({2}, {-0.1875f, 1048576.0f}));
  const std::string bytes_text = graph + "%b = input \"b\" : u8{0.1}[2] %x = to_f32 %b return \"x\" %x";
  CHECK(result_of(bytes_text, {{"b", bytes({2}, {0, 3})}}) == reals({2}, {0, 3.0f * 0.1f}));
  const std::string affine =
      graph +
      "%x = input \"x\" : u8{0.1}[B,1] %a = input \"a\" : f32[] %b = input \"b\" : f32[] %y = affine %x, %a, "
      "%b return \"y\" %y";
  const float scaled = 7.0f * 0.1f, product = 0.3f * scaled;
  CHECK(result_of(affine,
                  {{"x", bytes({1, 1}, {7})}, {"a", Tensor::scalar(0.3f)}, {"b", Tensor::scalar(-0.7f)}}) ==
        reals({1, 1}, {product + -0.7f}));
  const std::string subtract =
      graph + "%a = input \"a\" : i64[2] %b = input \"b\" : i64[2] %d = subtract %a, %b return \"d\" %d";
  CHECK(result_of(subtract, {{"a", fields({2}, {5, (1 << 24) + 1})}, {"b", fields({2}, {7, 0})}}) ==
        reals({2}, {-2, 16777216.0f}));
}

TEST_CASE("add counts iterations", "[interpreter]") {
  const std::string text =
      graph + "%a = input \"a\" : i32[] %b = input \"b\" : i32[] %s = add %a, %b return \"s\" %s";
  const auto sum = [&](std::int32_t a, std::int32_t b) {
    return result_of(text, {{"a", Tensor::scalar(a)}, {"b", Tensor::scalar(b)}});
  };
  CHECK(sum(5, 0) == Tensor::scalar(std::int32_t{5}));
  CHECK(sum(2147483646, 1) == Tensor::scalar(std::int32_t{2147483647}));
  CHECK(error_of([&] { sum(2147483647, 1); }) ==
        "add: 2147483647 and 1; expected counts of at least 0 with a sum below 2147483648");
  CHECK(error_of([&] { sum(2, -1); }) ==
        "add: 2 and -1; expected counts of at least 0 with a sum below 2147483648");
}

TEST_CASE("gates of each shape", "[interpreter]") {
  const auto gated = [](const std::string& shape, Tensor gate) {
    const std::string text = graph + "%x = input \"x\" : u8{0.5}[B,2] %g = input \"g\" : f32" + shape +
                             " %y = gate %x, %g return \"y\" %y";
    return result_of(text, {{"x", bytes({2, 2}, {1, 2, 3, 4})}, {"g", std::move(gate)}});
  };
  CHECK(gated("[B]", reals({2}, {10, 0.5f})) == reals({2, 2}, {10, 20, 1.5f, 2}));
  CHECK(gated("[B,1]", reals({2, 1}, {10, 0.5f})) == reals({2, 2}, {10, 20, 1.5f, 2}));
  CHECK(gated("[1,2]", reals({1, 2}, {10, 0.5f})) == reals({2, 2}, {10, 1, 30, 2}));
  CHECK(gated("[B,2]", reals({2, 2}, {1, 2, 3, 4})) == reals({2, 2}, {1, 4, 9, 16}));
  const std::string fixed_batch =
      graph + "%x = input \"x\" : f32[2,2] %g = input \"g\" : f32[2,2] %y = gate %x, %g return \"y\" %y";
  CHECK(result_of(fixed_batch, {{"x", reals({2, 2}, {1, 2, 3, 4})}, {"g", reals({2, 2}, {1, 2, 3, 4})}}) ==
        reals({2, 2}, {1, 4, 9, 16}));
  const std::string one_sender =
      graph + "%x = input \"x\" : f32[B,1] %g = input \"g\" : f32[1,1] %y = gate %x, %g return \"y\" %y";
  CHECK(result_of(one_sender, {{"x", reals({2, 1}, {1, 2})}, {"g", reals({1, 1}, {3})}}) ==
        reals({2, 1}, {3, 6}));
}

TEST_CASE("exact messages", "[interpreter]") {
  const Tensor x = signs({2, 3}, {1, -1, 0, -1, -1, 1});
  // In sixteenths: 16 8 0.5 -> 0 (even) / -4 ...
  const Tensor w = reals({3, 2}, {1, 0.5f, 0.03125f, -0.25f, 2, 0.1f});
  const std::string text = graph +
                           "%x = input \"x\" : tern[B,3] %w = param \"w\" : f32[3,2] %h = message %x, %w "
                           "{dense fixed} return \"h\" %h";
  CHECK(result_of(text, {{"x", x}, {"w", w}}) == fields({2, 2}, {16, 12, 16, -2}));

  const std::string sparse = graph +
                             "pattern @p [3,3]\n%x = input \"x\" : tern[B,3] %w = param \"w\" : f32[3,3]{@p}"
                             " %h = message %x, %w {dense fixed} return \"h\" %h";
  CHECK(result_of(sparse, {{"x", x}, {"w", reals({4}, {1, 2, 3, 4})}}, {small_pattern()}) ==
        fields({2, 3}, {-48, 16, 32, -48, -16, 32}));

  const std::string diag = graph +
                           "%x = input \"x\" : tern[B,3] %w = param \"w\" : f32[3] %h = message %x, %w {diag "
                           "fixed} return \"h\" %h";
  CHECK(result_of(diag, {{"x", x}, {"w", reals({3}, {1, 2, 3})}}) ==
        fields({2, 3}, {16, -32, 0, -16, -32, 48}));
}

TEST_CASE("float messages keep their order and scale bytes last", "[interpreter]") {
  const std::string text =
      graph +
      "%x = input \"x\" : f32[B,3] %w = param \"w\" : f32[3,1] %h = message %x, %w {dense} return \"h\" %h";
  const auto sum = [&](std::vector<float> values) {
    return result_of(text, {{"x", reals({1, 3}, {1, 1, 1})}, {"w", reals({3, 1}, std::move(values))}});
  };
  CHECK(sum({1e8f, 1, -1e8f}) == reals({1, 1}, {0}));
  CHECK(sum({1e8f, -1e8f, 1}) == reals({1, 1}, {1}));
  // 1 + 2^-24 from a product: lost if rounded before the sum.
  const float near_one = 1 + 0x1p-12f;
  CHECK(result_of(text, {{"x", reals({1, 3}, {-1, near_one, 0})}, {"w", reals({3, 1}, {1, near_one, 0})}}) ==
        reals({1, 1}, {0x1p-11f + 0x1p-24f}));

  const std::string raw = graph +
                          "%x = input \"x\" : u8{0.1}[B,2] %w = param \"w\" : f32[2,1] %h = message %x, %w "
                          "{dense} return \"h\" %h";
  const float w0 = 0.3f, w1 = 0.7f;
  CHECK(result_of(raw, {{"x", bytes({1, 2}, {3, 250})}, {"w", reals({2, 1}, {w0, w1})}}) ==
        reals({1, 1}, {std::fma(250.0f, w1, 3 * w0) * 0.1f}));
  const std::string diag =
      graph +
      "%x = input \"x\" : u8{0.1}[B,2] %w = param \"w\" : f32[] %h = message %x, %w {diag} return \"h\" %h";
  CHECK(result_of(diag, {{"x", bytes({1, 2}, {3, 250})}, {"w", Tensor::scalar(w0)}}) ==
        reals({1, 2}, {(3 * 0.1f) * w0, (250 * 0.1f) * w0}));
}

TEST_CASE("advance", "[interpreter]") {
  const std::string text = graph +
                           "%h = input \"h\" : fix[B,2] %a = input \"a\" : tern[B,3] %b = input \"b\" : "
                           "pm1[B,3] %w = param \"w\" : f32[3,2]"
                           " %n = advance %h, %a, %b, %w {dense fixed} return \"n\" %n";
  const Tensor w = reals({3, 2}, {1, 2, 3, 4, 5, 6});
  CHECK(result_of(text, {{"h", fields({1, 2}, {100, 200})},
                         {"a", signs({1, 3}, {0, 1, 1})},
                         {"b", signs({1, 3}, {1, 1, -1})},
                         {"w", w}}) == fields({1, 2}, {100 + 16 - 160, 200 + 32 - 192}));
  const std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  const Tensor same = signs({1, 3}, {1, 1, 1});
  CHECK(result_of(text, {{"h", fields({1, 2}, {largest, -largest})}, {"a", same}, {"b", same}, {"w", w}}) ==
        fields({1, 2}, {largest, -largest}));
  CHECK(error_running(
            text,
            {{"h", fields({1, 2}, {largest, 0})}, {"a", signs({1, 3}, {0, 0, 0})}, {"b", same}, {"w", w}}) ==
        "advance: %n : fix[B,2] leaves 64 bits");
}

TEST_CASE("aggregate and threshold", "[interpreter]") {
  const std::string sum = graph +
                          "%a = input \"a\" : f32[3] %b = input \"b\" : f32[3] %c = input \"c\" : f32[3] %s "
                          "= aggregate %a, %b, %c return \"s\" %s";
  CHECK(result_of(sum, {{"a", reals({3}, {1e8f, 1, 1})},
                        {"b", reals({3}, {-1e8f, 1e8f, 2})},
                        {"c", reals({3}, {1, -1e8f, 3})}}) == reals({3}, {1, 0, 6}));
  const std::string fixed =
      graph + "%a = input \"a\" : fix[1] %b = input \"b\" : fix[1] %s = aggregate %a, %b return \"s\" %s";
  const std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  CHECK(result_of(fixed, {{"a", fields({1}, {largest})}, {"b", fields({1}, {-1})}}) ==
        fields({1}, {largest - 1}));
  CHECK(error_running(fixed, {{"a", fields({1}, {largest})}, {"b", fields({1}, {1})}}) ==
        "aggregate: %s : fix[1] leaves 64 bits");

  const auto activated = [](const std::string& activation, const std::string& elem, Tensor h) {
    return result_of(
        graph + "%h = input \"h\" : " + elem + "[3] %s = threshold %h {" + activation + "} return \"s\" %s",
        {{"h", std::move(h)}});
  };
  CHECK(activated("sign", "fix", fields({3}, {-1, 0, 1})) == signs({3}, {-1, 1, 1}));
  CHECK(activated("sign0", "fix", fields({3}, {-1, 0, 1})) == signs({3}, {-1, 0, 1}));
  CHECK(activated("sign", "f32", reals({3}, {-0.5f, -0.0f, 2})) == signs({3}, {-1, 1, 1}));
  CHECK(activated("sign0", "f32", reals({3}, {-0.5f, -0.0f, 2})) == signs({3}, {-1, 0, 1}));
  CHECK(activated("sign0", "f32", reals({3}, {-1e-40f, 1e-40f, 2})) == signs({3}, {0, 0, 1}));
  CHECK(activated("tanh", "f32", reals({3}, {-1, 0, 0.3f})) == reals({3}, {tanh_f32(-1), 0, tanh_f32(0.3f)}));
  CHECK(activated("identity", "fix", fields({3}, {-1, 0, 1})) == fields({3}, {-1, 0, 1}));
}

TEST_CASE("hits counts the first maximum", "[interpreter]") {
  const std::string text = graph +
                           "%n = input \"n\" : i64[] %s = input \"s\" : f32[B,3] %c = input \"c\" : i32[B] "
                           "%h = hits %n, %s, %c return \"h\" %h";
  const Tensor scores = reals({4, 3}, {1, 2, 2, 3, 3, 3, -1, -2, 0, 0, 1, 0});
  CHECK(result_of(text, {{"n", Tensor::scalar(std::int64_t{5})},
                         {"s", scores},
                         {"c", indices({4}, {1, 0, 2, 2})}}) == Tensor::scalar(std::int64_t{8}));
  CHECK(result_of(text, {{"n", Tensor::scalar(std::int64_t{5})},
                         {"s", scores},
                         {"c", indices({4}, {2, 1, 0, 1})}}) == Tensor::scalar(std::int64_t{6}));
}

TEST_CASE("perceptron errors: ties count, strict ones don't", "[interpreter]") {
  const auto error = [](const std::string& rule, const std::string& t_elem, const std::string& h_elem,
                        Tensor t, Tensor h, std::vector<float> margins) {
    const std::string text = graph + "%t = input \"t\" : " + t_elem + "[1,4] %h = input \"h\" : " + h_elem +
                             "[1,4] %m = input \"m\" : f32[4] %v = error %t, %h, %m {" + rule +
                             "} return \"v\" %v";
    return result_of(text, {{"t", std::move(t)}, {"h", std::move(h)}, {"m", reals({4}, std::move(margins))}});
  };
  const Tensor t = signs({1, 4}, {1, -1, -1, 0});
  const Tensor h = fields({1, 4}, {16, -17, -15, 3});
  CHECK(error("perceptron", "tern", "fix", t, h, {1, 1, 1, 1}) == signs({1, 4}, {1, 0, -1, 0}));
  CHECK(error("strict", "tern", "fix", t, h, {1, 1, 1, 1}) == signs({1, 4}, {0, 0, -1, 0}));
  // The threshold 1.03 is 16 units after rounding; as a real number it is beyond the field 1.
  CHECK(error("strict", "tern", "fix", t, h, {1.03f, 1, 1, 1}) == signs({1, 4}, {0, 0, -1, 0}));
  CHECK(error("strict", "f32", "fix", reals({1, 4}, {1, 1, 1, 1}), h, {1.03f, 1, 1, 1}) ==
        reals({1, 4}, {1, 1, 1, 1}));
  CHECK(error("perceptron", "two{2,-0.5}", "fix", reals({1, 4}, {2, -0.5f, -0.5f, 0}), h,
              {2, 0.5f, 0.5f, 0}) == reals({1, 4}, {2, 0, -0.5f, 0}));
  CHECK(error("perceptron", "pm1", "fix", signs({1, 4}, {1, -1, -1, 1}), h, {3e38f, -3e38f, 0, 0}) ==
        signs({1, 4}, {1, 0, 0, 0}));
}

TEST_CASE("softmax, tanh and truncated errors", "[interpreter]") {
  const Tensor field = reals({1, 2}, {0.5f, -1.25f});
  const float e1 = exp_f32(-1.25f - 0.5f);
  const float sum = 1.0f + e1;
  const std::string softmax =
      graph +
      "%t = input \"t\" : pm1[B,2] %h = input \"h\" : f32[B,2] %v = error %t, %h {softmax} return \"v\" %v";
  CHECK(result_of(softmax, {{"t", signs({1, 2}, {1, -1})}, {"h", field}}) ==
        reals({1, 2}, {1 - 1.0f / sum, 0 - e1 / sum}));

  const std::string tanh = graph +
                           "%t = input \"t\" : tern[B,2] %h = input \"h\" : f32[B,2] %m = input \"m\" : "
                           "f32[] %v = error %t, %h, %m {tanh} return \"v\" %v";
  const float o0 = tanh_f32(0.5f), d0 = 1 - o0;
  CHECK(result_of(tanh, {{"t", signs({1, 2}, {1, -1})}, {"h", field}, {"m", Tensor::scalar(0.2f)}}) ==
        reals({1, 2}, {d0 * (1 - o0 * o0), 0}));
  CHECK(result_of(tanh, {{"t", signs({1, 2}, {1, -1})}, {"h", field}, {"m", Tensor::scalar(d0)}}) ==
        reals({1, 2}, {d0 * (1 - o0 * o0), 0}));

  const std::string truncated = graph +
                                "%t = input \"t\" : tern[B,3] %h = input \"h\" : f32[B,3] %m = input \"m\" : "
                                "f32[] %k = input \"k\" : f32[]"
                                " %v = error %t, %h, %m, %k {truncated} return \"v\" %v";
  // Mistakes everywhere; 1 - |tanh h| is 0.54, 0.0007 and 1.
  CHECK(result_of(truncated, {{"t", signs({1, 3}, {1, -1, -1})},
                              {"h", reals({1, 3}, {0.5f, 4, 0})},
                              {"m", Tensor::scalar(9.0f)},
                              {"k", Tensor::scalar(0.6f)}}) == signs({1, 3}, {1, -1, 0}));
}

TEST_CASE("the three ways correlate sums", "[interpreter]") {
  const auto correlate = [](const std::string& u_type, Tensor u, const std::string& v_type, Tensor v,
                            const std::string& result) {
    const std::string text = graph + "pattern @p [3,3]\n%u = input \"u\" : " + u_type +
                             " %v = input \"v\" : " + v_type + " %s = correlate %u, %v {dense} : " + result +
                             " return \"s\" %s";
    return result_of(text, {{"u", std::move(u)}, {"v", std::move(v)}}, {small_pattern()});
  };
  const Tensor v = signs({2, 1}, {1, -1});
  CHECK(correlate("tern[B,2]", signs({2, 2}, {1, 0, -1, 1}), "tern[B,1]", v, "i64[2,1]") ==
        fields({2, 1}, {2, -1}));
  CHECK(correlate("u8{0.5}[B,2]", bytes({2, 2}, {255, 7, 1, 2}), "tern[B,1]", v, "i64[2,1]") ==
        fields({2, 1}, {254, 5}));

  const float a = 1.0811388f, b = -0.5f;
  const Tensor labels = reals({4, 1}, {a, b, b, 0});
  const Tensor bytes_u = bytes({4, 1}, {200, 3, 5, 9});
  CHECK(correlate("u8{0.5}[B,1]", bytes_u, "two{1.0811388,-0.5}[B,1]", labels, "f32[1,1]") ==
        reals({1, 1}, {std::fma(a, 200.0f, b * 8.0f)}));
  CHECK(correlate("two{1.0811388,-0.5}[B,1]", labels, "tern[B,1]", signs({4, 1}, {-1, 1, 1, 1}),
                  "f32[1,1]") == reals({1, 1}, {std::fma(a, -1.0f, b * 2.0f)}));

  const Tensor u = reals({3, 1}, {0.1f, infinity, 0.7f});
  CHECK(correlate("f32[B,1]", u, "f32[B,1]", reals({3, 1}, {0.3f, 0, 0.9f}), "f32[1,1]") ==
        reals({1, 1}, {std::fma(0.7f, 0.9f, 0.1f * 0.3f)}));
  CHECK(correlate("u8{0.5}[B,1]", bytes({2, 1}, {3, 100}), "f32[B,1]", reals({2, 1}, {0.3f, 0.9f}),
                  "f32[1,1]") == reals({1, 1}, {std::fma(100.0f, 0.9f, 3 * 0.3f)}));

  const Tensor ones = signs({1, 3}, {1, 1, 1});
  CHECK(correlate("tern[B,3]", ones, "tern[B,3]", signs({1, 3}, {1, -1, 1}), "i64[3,3]{@p}") ==
        fields({4}, {-1, 1, 1, 1}));
  CHECK(correlate("tern[B,3]", ones, "tern[B,3]", ones, "i64[3,3]{offdiag}") ==
        fields({3, 3}, {0, 1, 1, 1, 0, 1, 1, 1, 0}));
}

TEST_CASE("update is correlate of error", "[interpreter]") {
  const std::string text =
      graph +
      "%u = input \"u\" : pm1[B,2] %t = input \"t\" : tern[B,2] %h = input \"h\" : fix[B,2] %m = input \"m\" "
      ": f32[2]"
      " %v = error %t, %h, %m {perceptron} %a = correlate %u, %v {dense} : i64[2,2]{offdiag}"
      " %b = update %u, %t, %h, %m {perceptron dense} : i64[2,2]{offdiag} return \"a\" %a, \"b\" %b";
  const auto results = interpret(text, {{"u", signs({3, 2}, {1, -1, 1, 1, -1, 1})},
                                        {"t", signs({3, 2}, {1, 1, -1, 0, -1, 1})},
                                        {"h", fields({3, 2}, {5, 40, 7, 1, -16, -30})},
                                        {"m", reals({2}, {1, 0.5f})}});
  CHECK(*results[0] == *results[1]);
  // Errors of unit 0: 1, -1, -1; of unit 1: 0, 0, 1.
  CHECK(*results[0] == fields({2, 2}, {0, -1, -3, 0}));
}

namespace {

std::vector<TensorPtr> applied(const std::string& rule, const std::string& moments,
                               const std::string& results, float w, float s, std::vector<float> c,
                               std::vector<float> m = {}) {
  std::string text = graph + "%w = param \"w\" : f32[1] %s = input \"s\" : f32[1] %c = input \"c\" : f32[" +
                     std::to_string(c.size()) + "] %m = param \"m\" : f32[1] %v = param \"v\" : f32[1] ";
  text += "%w1" + results + " = apply %w" + moments + ", %s, %c {" + rule + "} return \"w\" %w1";
  if (!results.empty()) text += ", \"m\" %m1";
  if (results.size() > 5) text += ", \"v\" %v1";
  m.resize(2);
  const auto n = static_cast<std::int64_t>(c.size());
  return interpret(text, {{"w", reals({1}, {w})},
                          {"s", reals({1}, {s})},
                          {"c", reals({n}, std::move(c))},
                          {"m", reals({1}, {m[0]})},
                          {"v", reals({1}, {m[1]})}});
}

float only(const TensorPtr& tensor) { return tensor->data<float>()[0]; }

}  // namespace

TEST_CASE("optimizer rules", "[interpreter]") {
  const float w = 0.7f, s = 3, alpha = 0.013f, k = 0.0021f;
  const float decayed = std::fma(-k, w, w);
  CHECK(only(applied("sgd", "", "", w, s, {alpha, k})[0]) == std::fma(alpha, s, decayed));
  CHECK(only(applied("sgd", "", "", w, 0, {alpha, k})[0]) == decayed);
  CHECK(only(applied("sgd", "", "", w, s, {alpha, 0})[0]) == std::fma(alpha, s, w));
  CHECK(only(applied("sgd", "", "", w, 0, {alpha, 0})[0]) == w);

  const float beta = 0.3f, delta = 0.01f, mu = 0.9f, eta = 0.05f, m = -0.4f;
  const float g = std::fma(-beta, s, delta * w), m1 = std::fma(mu, m, g);
  auto results = applied("momentum", ", %m", ", %m1", w, s, {beta, delta, mu, eta}, {m});
  CHECK(only(results[0]) == std::fma(-eta, m1, w));
  CHECK(only(results[1]) == m1);
  results = applied("nesterov", ", %m", ", %m1", w, s, {beta, delta, mu, eta}, {m});
  CHECK(only(results[0]) == std::fma(-eta, std::fma(mu, m1, g), w));
  CHECK(only(results[1]) == m1);
  CHECK(only(applied("momentum", ", %m", ", %m1", w, 0, {beta, delta, mu, eta}, {m})[1]) ==
        std::fma(mu, m, delta * w));

  const float b1 = 0.9f, c1 = 0.1f, b2 = 0.999f, c2 = 0.001f, a = 0.02f, r = 31.6f, eps = 1e-8f, v = 0.2f,
              decay = 0.004f;
  const float am = std::fma(c1, g, b1 * m), av = std::fma(c2 * g, g, b2 * v);
  results = applied("adam", ", %m, %v", ", %m1, %v1", w, s, {beta, delta, b1, c1, b2, c2, a, r, eps}, {m, v});
  CHECK(only(results[0]) == w - (a * am) / std::fma(std::sqrt(av), r, eps));
  CHECK(only(results[1]) == am);
  CHECK(only(results[2]) == av);
  results = applied("adamw", ", %m, %v", ", %m1, %v1", w, s, {beta, delta, b1, c1, b2, c2, a, r, eps, decay},
                    {m, v});
  CHECK(only(results[0]) == std::fma(-decay, w, w) - (a * am) / std::fma(std::sqrt(av), r, eps));
  CHECK(only(results[1]) == am);
}

TEST_CASE("only trainable entries move", "[interpreter]") {
  const std::string offdiag =
      graph +
      "%w = param \"w\" : f32[2,2]{offdiag} %s = input \"s\" : i64[2,2]{offdiag} %c = input \"c\" : f32[2]"
      " %w1 = apply %w, %s, %c {sgd} return \"w\" %w1";
  CHECK(result_of(offdiag, {{"w", reals({2, 2}, {1, 2, 3, 4})},
                            {"s", fields({2, 2}, {5, 1, 2, 5})},
                            {"c", reals({2}, {1, 0.5f})}}) == reals({2, 2}, {1, 2, 3.5f, 4}));
  Pattern recurrent;
  recurrent.senders = recurrent.receivers = 2;
  recurrent.fixed_diagonal = true;
  recurrent.offsets = {0, 2, 3};
  recurrent.receiver = {0, 1, 1};
  const std::string sparse = graph +
                             "pattern @p [2,2] fixed_diagonal\n%w = param \"w\" : f32[2,2]{@p} %s = input "
                             "\"s\" : i64[2,2]{@p} %c = input \"c\" : f32[2]"
                             " %w1 = apply %w, %s, %c {sgd} return \"w\" %w1";
  CHECK(result_of(sparse,
                  {{"w", reals({3}, {1, 2, 3})}, {"s", fields({3}, {5, 1, 5})}, {"c", reals({2}, {1, 0})}},
                  {recurrent}) == reals({3}, {1, 3, 3}));
  // A kernel of two channels in one group: the centre taps (0,0) and (1,1).
  const std::string kernel = graph +
                             "%w = param \"w\" : f32[1,1,2,2]{offdiag} %s = input \"s\" : "
                             "f32[1,1,2,2]{offdiag} %c = input \"c\" : f32[2]"
                             " %w1 = apply %w, %s, %c {sgd} return \"w\" %w1";
  const Tensor ones = reals({1, 1, 2, 2}, {1, 1, 1, 1});
  CHECK(result_of(kernel, {{"w", ones}, {"s", ones}, {"c", reals({2}, {1, 0})}}) ==
        reals({1, 1, 2, 2}, {1, 2, 2, 1}));
  // Two groups of one channel: kernel [3,3,1,2], the centre tap of each.
  const std::string grouped = graph +
                              "%w = param \"w\" : f32[3,3,1,2]{offdiag} %s = input \"s\" : "
                              "f32[3,3,1,2]{offdiag} %c = input \"c\" : f32[2]"
                              " %w1 = apply %w, %s, %c {sgd} return \"w\" %w1";
  std::vector<float> moved(18, 1.0f);
  moved[8] = moved[9] = 0;
  CHECK(result_of(grouped, {{"w", reals({3, 3, 1, 2}, std::vector<float>(18))},
                            {"s", reals({3, 3, 1, 2}, std::vector<float>(18, 1.0f))},
                            {"c", reals({2}, {1, 0})}}) == reals({3, 3, 1, 2}, moved));
}
