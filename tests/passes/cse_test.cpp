#include "passes/cse.hpp"

#include <catch2/catch.hpp>

#include "tests/support/transformed.hpp"

namespace relaxon {
namespace {

using testing::canonical;
using testing::transformed;

TEST_CASE("cse: equal ops are one, also where they follow from equal ops", "[passes]") {
  CHECK(transformed(cse, R"(graph "g" fixed 20
%x = input "x" : tern[B,3]
%t = input "t" : tern[B,2]
%k = input "k" : f32[2]
%W = param "W" : f32[3,2]
%a = message %x, %W {dense fixed} : fix[B,2]
%b = message %x, %W {dense fixed} : fix[B,2]
%v = error %t, %a, %k {perceptron} : tern[B,2]
%w = error %t, %b, %k {perceptron} : tern[B,2]
%S = correlate %x, %v {dense} : i64[3,2]
%T = correlate %x, %w {dense} : i64[3,2]
return "S" %S, "T" %T
)") == R"(graph "g" fixed 20
%x = input "x" : tern[B,3]
%t = input "t" : tern[B,2]
%k = input "k" : f32[2]
%W = param "W" : f32[3,2]
%a = message %x, %W {dense fixed} : fix[B,2]
%v = error %t, %a, %k {perceptron} : tern[B,2]
%S = correlate %x, %v {dense} : i64[3,2]
return "S" %S, "T" %S
)");
}

TEST_CASE("cse: other attributes, other operands and another order are other values", "[passes]") {
  const std::string_view text = R"(graph "g" fixed 20
%a = input "a" : fix[B,2]
%b = input "b" : fix[B,2]
%k = input "k" : f32[2]
%l = input "l" : f32[2]
%t = threshold %a {sign} : pm1[B,2]
%u = threshold %a {sign0} : tern[B,2]
%c = aggregate %a, %b : fix[B,2]
%d = aggregate %b, %a : fix[B,2]
%v = error %t, %a, %k {perceptron} : tern[B,2]
%w = error %t, %a, %l {perceptron} : tern[B,2]
%p = const 0 : f32[]
%m = const -0 : f32[]
return "t" %t, "u" %u, "c" %c, "d" %d, "v" %v, "w" %w, "p" %p, "m" %m
)";
  CHECK(transformed(cse, text) == canonical(text));
}

TEST_CASE("cse: a body shares what stands before it, nothing is shared out of a body", "[passes]") {
  CHECK(transformed(cse, R"(graph "g" fixed 20
%n = input "n" : i32[]
%x = input "x" : tern[B,3]
%W = param "W" : f32[3,2]
%a = message %x, %W {dense fixed} : fix[B,2]
%s = threshold %a {sign0} : tern[B,2]
%r = scan %n (%p = %s) {
  %b = message %x, %W {dense fixed} : fix[B,2]
  %c = aggregate %b, %a : fix[B,2]
  %t = threshold %c {sign0} : tern[B,2]
  yield %t
} : tern[B,2]
%c2 = aggregate %a, %a : fix[B,2]
probe "x" %x
probe "x" %x
return "r" %r, "c" %c2
)") == R"(graph "g" fixed 20
%n = input "n" : i32[]
%x = input "x" : tern[B,3]
%W = param "W" : f32[3,2]
%a = message %x, %W {dense fixed} : fix[B,2]
%s = threshold %a {sign0} : tern[B,2]
%r = scan %n (%p = %s) {
  %c = aggregate %a, %a : fix[B,2]
  %t = threshold %c {sign0} : tern[B,2]
  yield %t
} : tern[B,2]
%c2 = aggregate %a, %a : fix[B,2]
probe "x" %x
probe "x" %x
return "r" %r, "c" %c2
)");
}

TEST_CASE("cse: a slice gives the batch axis another length", "[passes]") {
  CHECK(transformed(cse, R"(graph "g" fixed 20
%order = input "order" : i32[M]
%i = input "i" : i32[]
%j = input "j" : i32[]
%k = input "k" : i32[]
%one = const 1 : i32[]
%r = slice %order, %i, %k : i32[B]
%y = zeros : fix[B,2]
probe "y" %y
%s = slice %order, %j, %k : i32[B]
%z = zeros : fix[B,2]
%same = zeros : fix[B,2]
%uno = const 1 : i32[]
%n = add %one, %uno : i32[]
return "z" %z, "same" %same, "n" %n
)") == R"(graph "g" fixed 20
%order = input "order" : i32[M]
%i = input "i" : i32[]
%j = input "j" : i32[]
%k = input "k" : i32[]
%one = const 1 : i32[]
%r = slice %order, %i, %k : i32[B]
%y = zeros : fix[B,2]
probe "y" %y
%s = slice %order, %j, %k : i32[B]
%z = zeros : fix[B,2]
%n = add %one, %one : i32[]
return "z" %z, "same" %z, "n" %n
)");
}

}  // namespace
}  // namespace relaxon
