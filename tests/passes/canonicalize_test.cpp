#include "passes/canonicalize.hpp"

#include <catch2/catch.hpp>

#include "tests/support/transformed.hpp"

namespace relaxon {
namespace {

using testing::canonical;
using testing::transformed;

TEST_CASE("canonicalize: an update becomes an error and a correlation", "[passes]") {
  CHECK(transformed(canonicalize, R"(graph "g" fixed 20
%x = input "x" : tern[B,3]
%t = input "t" : tern[B,2]
%h = input "h" : fix[B,2]
%k = input "k" : f32[2]
%S = update %x, %t, %h, %k {perceptron dense edge=1-0} : i64[3,2]
return "S" %S
)") == R"(graph "g" fixed 20
%x = input "x" : tern[B,3]
%t = input "t" : tern[B,2]
%h = input "h" : fix[B,2]
%k = input "k" : f32[2]
%v.0 = error %t, %h, %k {perceptron} : tern[B,2]
%S = correlate %x, %v.0 {dense edge=1-0} : i64[3,2]
return "S" %S
)");
}

TEST_CASE("canonicalize: an aggregate of one message is the message, of two it stays", "[passes]") {
  CHECK(transformed(canonicalize, R"(graph "g" fixed 20
%a = input "a" : fix[B,2]
%b = input "b" : fix[B,2]
%one = aggregate %a : fix[B,2]
%two = aggregate %one, %b : fix[B,2]
return "one" %one, "two" %two
)") == R"(graph "g" fixed 20
%a = input "a" : fix[B,2]
%b = input "b" : fix[B,2]
%two = aggregate %a, %b : fix[B,2]
return "one" %a, "two" %two
)");
}

}  // namespace
}  // namespace relaxon
