#include "passes/scan_carry.hpp"

#include <catch2/catch.hpp>

#include "tests/support/transformed.hpp"

namespace relaxon {
namespace {

using testing::canonical;
using testing::transformed;

TEST_CASE("scan_carry: an unchanged carry is its start", "[passes]") {
  CHECK(transformed(scan_carry, R"(graph "g" fixed 20
%n = input "n" : i32[]
%x = input "x" : fix[B,2]
%y = input "y" : tern[B,2]
%a, %b = scan %n (%p = %x, %q = %y) {
  %h = aggregate %p, %p : fix[B,2]
  %t = threshold %h {sign} : pm1[B,2]
  yield %p, %t
} : fix[B,2], tern[B,2]
return "a" %a, "b" %b
)") == R"(graph "g" fixed 20
%n = input "n" : i32[]
%x = input "x" : fix[B,2]
%y = input "y" : tern[B,2]
%b = scan %n (%q = %y) {
  %h = aggregate %x, %x : fix[B,2]
  %t = threshold %h {sign} : pm1[B,2]
  yield %t
} : tern[B,2]
return "a" %x, "b" %b
)");
}

TEST_CASE("scan_carry: in a loop too, with its index, carries that change places stay", "[passes]") {
  CHECK(transformed(scan_carry, R"(graph "g" fixed 20
%n = input "n" : i32[]
%x = input "x" : i32[]
%y = input "y" : i32[]
%z = input "z" : i32[]
%a, %b, %c, %d = for %n, %i (%p = %x, %q = %y, %r = %z, %s = %x) {
  %t = add %i, %p : i32[]
  yield %p, %r, %q, %t
} : i32[], i32[], i32[], i32[]
return "a" %a, "b" %b, "c" %c, "d" %d
)") == R"(graph "g" fixed 20
%n = input "n" : i32[]
%x = input "x" : i32[]
%y = input "y" : i32[]
%z = input "z" : i32[]
%b, %c, %d = for %n, %i (%q = %y, %r = %z, %s = %x) {
  %t = add %i, %x : i32[]
  yield %r, %q, %t
} : i32[], i32[], i32[]
return "a" %x, "b" %b, "c" %c, "d" %d
)");
}

TEST_CASE("scan_carry: a watched carry stays, the others keep being watched", "[passes]") {
  CHECK(transformed(scan_carry, R"(graph "g" fixed 20
%n = input "n" : i32[]
%x = input "x" : fix[B,2]
%y = input "y" : tern[B,2]
%a, %b, %c = scan %n (%p = %x, %q = %y, %r = %y) until unchanged(%q, %r) {
  %t = threshold %p {sign} : pm1[B,2]
  yield %p, %q, %t
} : fix[B,2], tern[B,2], tern[B,2]
return "a" %a, "b" %b, "c" %c
)") == R"(graph "g" fixed 20
%n = input "n" : i32[]
%x = input "x" : fix[B,2]
%y = input "y" : tern[B,2]
%b, %c = scan %n (%q = %y, %r = %y) until unchanged(%q, %r) {
  %t = threshold %x {sign} : pm1[B,2]
  yield %q, %t
} : tern[B,2], tern[B,2]
return "a" %x, "b" %b, "c" %c
)");
}

}  // namespace
}  // namespace relaxon
