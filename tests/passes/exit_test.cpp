#include "passes/exit.hpp"

#include <catch2/catch.hpp>

#include "tests/support/transformed.hpp"

namespace relaxon {
namespace {

using testing::canonical;
using testing::transformed;

TEST_CASE("exit: states and the messages advanced with them", "[passes]") {
  CHECK(transformed(exit_at_fixed_point, R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%r0 = message %s0, %J {dense fixed} : fix[B,2]
%s1, %r1 = scan %n (%s = %s0, %r = %r0) {
  %h = aggregate %c, %r : fix[B,2]
  %t = threshold %h {sign} : pm1[B,2]
  %u = advance %r, %s, %t, %J {dense fixed} : fix[B,2]
  yield %t, %u
} : tern[B,2], fix[B,2]
return "s" %s1
)") == R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%r0 = message %s0, %J {dense fixed} : fix[B,2]
%s1, %r1 = scan %n (%s = %s0, %r = %r0) until unchanged(%s) {
  %h = aggregate %c, %r : fix[B,2]
  %t = threshold %h {sign} : pm1[B,2]
  %u = advance %r, %s, %t, %J {dense fixed} : fix[B,2]
  yield %t, %u
} : tern[B,2], fix[B,2]
return "s" %s1
)");
}

TEST_CASE("exit: the same value computed twice is still the same", "[passes]") {
  CHECK(transformed(exit_at_fixed_point, R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%s1, %r1 = scan %n (%s = %s0, %r = %d) {
  %h = aggregate %c, %r : fix[B,2]
  %t = threshold %h {sign} : pm1[B,2]
  %g = aggregate %c, %r : fix[B,2]
  %v = threshold %g {sign} : pm1[B,2]
  %u = advance %r, %v, %t, %J {dense fixed} : fix[B,2]
  yield %t, %u
} : tern[B,2], fix[B,2]
return "s" %s1
)") == R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%s1, %r1 = scan %n (%s = %s0, %r = %d) until unchanged(%s) {
  %h = aggregate %c, %r : fix[B,2]
  %t = threshold %h {sign} : pm1[B,2]
  %g = aggregate %c, %r : fix[B,2]
  %v = threshold %g {sign} : pm1[B,2]
  %u = advance %r, %v, %t, %J {dense fixed} : fix[B,2]
  yield %t, %u
} : tern[B,2], fix[B,2]
return "s" %s1
)");
}

TEST_CASE("exit: a carry that goes on when the states stand still forbids it", "[passes]") {
  const std::string_view text = R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%s1, %r1 = scan %n (%s = %s0, %r = %d) {
  %h = aggregate %c, %r : fix[B,2]
  %t = threshold %h {sign} : pm1[B,2]
  yield %t, %h
} : tern[B,2], fix[B,2]
%s2, %r2 = scan %n (%p = %s0, %q = %d) {
  %i = aggregate %c, %q : fix[B,2]
  %v = threshold %i {sign} : pm1[B,2]
  %w = advance %q, %v, %s0, %J {dense fixed} : fix[B,2]
  yield %v, %w
} : tern[B,2], fix[B,2]
%r3 = scan %n (%e = %d) {
  %f = aggregate %c, %e : fix[B,2]
  yield %f
} : fix[B,2]
return "a" %s1, "b" %s2, "c" %r3
)";
  CHECK(transformed(exit_at_fixed_point, text) == canonical(text));
}

TEST_CASE("exit: probes see every iteration", "[passes]") {
  const std::string_view text = R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%s1 = scan %n (%s = %s0) {
  %t = threshold %c {sign} : pm1[B,2]
  probe "t" %t
  yield %t
} : tern[B,2]
return "s" %s1
)";
  CHECK(transformed(exit_at_fixed_point, text) == canonical(text));
}

}  // namespace
}  // namespace relaxon
