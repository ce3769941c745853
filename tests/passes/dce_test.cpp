#include "passes/dce.hpp"

#include <catch2/catch.hpp>

#include "tests/support/transformed.hpp"

namespace relaxon {
namespace {

using testing::canonical;
using testing::transformed;

TEST_CASE("dce: what leads to no result goes", "[passes]") {
  CHECK(transformed(dce, R"(graph "g" fixed 20
%x = input "x" : tern[B,3]
%unused = input "unused" : tern[B,3]
%W = param "W" : f32[3,2]
%a = message %x, %W {dense fixed} : fix[B,2]
%b = aggregate %a, %a : fix[B,2]
%t = threshold %b {sign} : pm1[B,2]
return "a" %a
)") == R"(graph "g" fixed 20
%x = input "x" : tern[B,3]
%unused = input "unused" : tern[B,3]
%W = param "W" : f32[3,2]
%a = message %x, %W {dense fixed} : fix[B,2]
return "a" %a
)");
}

TEST_CASE("dce: carries that only compute themselves go with their computation", "[passes]") {
  CHECK(transformed(dce, R"(graph "g" fixed 20
%n = input "n" : i32[]
%x = input "x" : tern[B,2]
%h = input "h" : fix[B,2]
%a, %b, %c = scan %n (%p = %x, %q = %h, %r = %x) {
  %u = aggregate %q, %q : fix[B,2]
  %t = threshold %u {sign} : pm1[B,2]
  yield %r, %u, %p
} : tern[B,2], fix[B,2], tern[B,2]
return "a" %a
)") == R"(graph "g" fixed 20
%n = input "n" : i32[]
%x = input "x" : tern[B,2]
%h = input "h" : fix[B,2]
%a, %c = scan %n (%p = %x, %r = %x) {
  yield %r, %p
} : tern[B,2], tern[B,2]
return "a" %a
)");
}

TEST_CASE("dce: a loop that nothing needs goes, slices, which give the batch its length, stay", "[passes]") {
  CHECK(transformed(dce, R"(graph "g" fixed 20
%n = input "n" : i32[]
%order = input "order" : i32[M]
%x = input "x" : i64[]
%i = input "i" : i32[]
%a = for %n, %k (%p = %i) {
  %q = add %p, %k : i32[]
  yield %q
} : i32[]
%b = for %n, %j (%r = %x) {
  %rows = slice %order, %j, %n : i32[B]
  %s = zeros : f32[B,2]
  %y = hits %r, %s, %rows : i64[]
  yield %y
} : i64[]
return
)") == R"(graph "g" fixed 20
%n = input "n" : i32[]
%order = input "order" : i32[M]
%x = input "x" : i64[]
%i = input "i" : i32[]
for %n, %j () {
  %rows = slice %order, %j, %n : i32[B]
  yield
}
return
)");
}

TEST_CASE("dce: probes keep what they show, watched carries stay", "[passes]") {
  CHECK(transformed(dce, R"(graph "g" fixed 20
%n = input "n" : i32[]
%x = input "x" : tern[B,2]
%h = input "h" : fix[B,2]
scan %n () {
  %t = threshold %h {sign} : pm1[B,2]
  %u = threshold %h {sign0} : tern[B,2]
  probe "t" %t
  yield
}
%a, %b = scan %n (%p = %h, %q = %x) until unchanged(%q) {
  %v = threshold %h {sign} : pm1[B,2]
  %w = aggregate %p, %h : fix[B,2]
  yield %w, %v
} : fix[B,2], tern[B,2]
return "a" %a
)") == R"(graph "g" fixed 20
%n = input "n" : i32[]
%x = input "x" : tern[B,2]
%h = input "h" : fix[B,2]
scan %n () {
  %t = threshold %h {sign} : pm1[B,2]
  probe "t" %t
  yield
}
%a, %b = scan %n (%p = %h, %q = %x) until unchanged(%q) {
  %v = threshold %h {sign} : pm1[B,2]
  %w = aggregate %p, %h : fix[B,2]
  yield %w, %v
} : fix[B,2], tern[B,2]
return "a" %a
)");
}

TEST_CASE("dce: a region yields what is used", "[passes]") {
  CHECK(transformed(dce, R"(graph "g" fixed 20
%h = input "h" : fix[B,2]
%g, %t = fuse {
  %i = aggregate %h, %h : fix[B,2]
  %u = threshold %i {sign} : pm1[B,2]
  yield %i, %u
} : fix[B,2], pm1[B,2]
return "t" %t
)") == R"(graph "g" fixed 20
%h = input "h" : fix[B,2]
%t = fuse {
  %i = aggregate %h, %h : fix[B,2]
  %u = threshold %i {sign} : pm1[B,2]
  yield %u
} : pm1[B,2]
return "t" %t
)");
}

}  // namespace
}  // namespace relaxon
