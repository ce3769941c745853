#include "passes/zeros.hpp"

#include <catch2/catch.hpp>

#include "tests/support/transformed.hpp"

namespace relaxon {
namespace {

using testing::canonical;
using testing::transformed;

TEST_CASE("zeros: messages of zeros vanish from exact fields", "[passes]") {
  CHECK(transformed(fold_zeros, R"(graph "g" fixed 20
%c = input "c" : fix[B,2]
%J = param "J" : f32[2,2]
%s = zeros : tern[B,2]
%m = message %s, %J {dense fixed} : fix[B,2]
%f = message %s, %J {dense} : f32[B,2]
%q = to_fix %f : fix[B,2]
%h = aggregate %m, %c, %q : fix[B,2]
%g = aggregate %m, %q : fix[B,2]
return "h" %h, "g" %g
)") == R"(graph "g" fixed 20
%c = input "c" : fix[B,2]
%J = param "J" : f32[2,2]
%s = zeros : tern[B,2]
%m = zeros : fix[B,2]
%f = zeros : f32[B,2]
%q = zeros : fix[B,2]
%g = zeros : fix[B,2]
return "h" %c, "g" %g
)");
}

TEST_CASE("zeros: what remains of an aggregate keeps its order", "[passes]") {
  CHECK(transformed(fold_zeros, R"(graph "g" fixed 20
%a = input "a" : fix[B,2]
%b = input "b" : fix[B,2]
%z = zeros : fix[B,2]
%h = aggregate %b, %z, %a : fix[B,2]
return "h" %h
)") == R"(graph "g" fixed 20
%a = input "a" : fix[B,2]
%b = input "b" : fix[B,2]
%z = zeros : fix[B,2]
%h = aggregate %b, %a : fix[B,2]
return "h" %h
)");
}

TEST_CASE("zeros: float32 sums keep their zeros", "[passes]") {
  CHECK(transformed(fold_zeros, R"(graph "g" fixed 20
%a = input "a" : f32[B,2]
%z = zeros : f32[B,2]
%h = aggregate %a, %z : f32[B,2]
%k = aggregate %z, %z : f32[B,2]
return "h" %h, "k" %k
)") == R"(graph "g" fixed 20
%a = input "a" : f32[B,2]
%z = zeros : f32[B,2]
%h = aggregate %a, %z : f32[B,2]
%k = zeros : f32[B,2]
return "h" %h, "k" %k
)");
}

TEST_CASE("zeros: a message that adds something, a sum over windows and a sign are no zeros", "[passes]") {
  const std::string_view text = R"(graph "g" fixed 20
%J = param "J" : f32[2,2]
%a = const 2 : f32[]
%b = const 1 : f32[]
%s = zeros : tern[B,2]
%y = affine %s, %a, %b : f32[B,2]
%m = message %y, %J {dense} : f32[B,2]
%p = majority %s {axes=1} : pm1[B]
%h = zeros : fix[B,2]
%t = threshold %h {sign} : pm1[B,2]
return "m" %m, "p" %p, "t" %t
)";
  CHECK(transformed(fold_zeros, text) == canonical(text));
}

TEST_CASE("zeros: a correlation of zeros is zero in the weight's entries", "[passes]") {
  CHECK(transformed(fold_zeros, R"(graph "g" fixed 20
pattern @1-1 [2,2] fixed_diagonal
%v = input "v" : tern[B,2]
%s = zeros : tern[B,2]
%S = correlate %s, %v {dense edge=1-1} : i64[2,2]{@1-1}
return "S" %S
)") == R"(graph "g" fixed 20
pattern @1-1 [2,2] fixed_diagonal
%v = input "v" : tern[B,2]
%s = zeros : tern[B,2]
%S = zeros : i64[2,2]{@1-1}
return "S" %S
)");
}

TEST_CASE("zeros: a gate and a correlation of negative labels can give -0 and stay", "[passes]") {
  CHECK(transformed(fold_zeros, R"(graph "g" fixed 20
%v = input "v" : two{-0.25,-0.5}[B,2]
%w = input "w" : two{0.75,-0.5}[B,2]
%g = input "g" : f32[B]
%s = zeros : tern[B,2]
%S = correlate %s, %v {dense} : f32[2,2]
%T = correlate %s, %w {dense} : f32[2,2]
%u = gate %s, %g : f32[B,2]
return "S" %S, "T" %T, "u" %u
)") == R"(graph "g" fixed 20
%v = input "v" : two{-0.25,-0.5}[B,2]
%w = input "w" : two{0.75,-0.5}[B,2]
%g = input "g" : f32[B]
%s = zeros : tern[B,2]
%S = correlate %s, %v {dense} : f32[2,2]
%T = zeros : f32[2,2]
%u = gate %s, %g : f32[B,2]
return "S" %S, "T" %T, "u" %u
)");
}

}  // namespace
}  // namespace relaxon
