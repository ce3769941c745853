#include "passes/hoist.hpp"

#include <catch2/catch.hpp>

#include "tests/support/transformed.hpp"

namespace relaxon {
namespace {

using testing::canonical;
using testing::transformed;

TEST_CASE("hoist: what no iteration changes leaves the scan", "[passes]") {
  CHECK(transformed(hoist, R"(graph "g" fixed 20
%n = input "n" : i32[]
%x = input "x" : tern[B,3]
%W = param "W" : f32[3,2]
%J = param "J" : f32[2,2]
%s1 = zeros : tern[B,2]
%s2 = scan %n (%s = %s1) {
  %c = message %x, %W {dense fixed} : fix[B,2]
  %d = aggregate %c, %c : fix[B,2]
  %m = message %s, %J {dense fixed} : fix[B,2]
  %z = zeros : fix[B,2]
  %h = aggregate %d, %m, %z : fix[B,2]
  %t = threshold %h {sign} : pm1[B,2]
  yield %t
} : tern[B,2]
return "s" %s2
)") == R"(graph "g" fixed 20
%n = input "n" : i32[]
%x = input "x" : tern[B,3]
%W = param "W" : f32[3,2]
%J = param "J" : f32[2,2]
%s1 = zeros : tern[B,2]
%c = message %x, %W {dense fixed} : fix[B,2]
%d = aggregate %c, %c : fix[B,2]
%z = zeros : fix[B,2]
%s2 = scan %n (%s = %s1) {
  %m = message %s, %J {dense fixed} : fix[B,2]
  %h = aggregate %d, %m, %z : fix[B,2]
  %t = threshold %h {sign} : pm1[B,2]
  yield %t
} : tern[B,2]
return "s" %s2
)");
}

TEST_CASE("hoist: out of the scan, and out of the loop around it, the batch stays where its slice is", "[passes]") {
  CHECK(transformed(hoist, R"(graph "g" fixed 20
%steps = input "steps" : i32[]
%batch = input "batch" : i32[]
%order = input "order" : i32[M]
%n = input "n" : i32[]
%code = input "code" : tern[4,3]
%W = param "W" : f32[3,2]
for %steps, %step () {
  %rows = slice %order, %step, %batch : i32[B]
  scan %n () {
    %table = message %code, %W {dense fixed} : fix[4,2]
    %c = take %table, %rows : fix[B,2]
    %z = zeros : fix[B,2]
    %h = aggregate %c, %z : fix[B,2]
    probe "h" %h
    yield
  }
  yield
}
return
)") == R"(graph "g" fixed 20
%steps = input "steps" : i32[]
%batch = input "batch" : i32[]
%order = input "order" : i32[M]
%n = input "n" : i32[]
%code = input "code" : tern[4,3]
%W = param "W" : f32[3,2]
%table = message %code, %W {dense fixed} : fix[4,2]
for %steps, %step () {
  %rows = slice %order, %step, %batch : i32[B]
  %c = take %table, %rows : fix[B,2]
  %z = zeros : fix[B,2]
  %h = aggregate %c, %z : fix[B,2]
  scan %n () {
    probe "h" %h
    yield
  }
  yield
}
return
)");
}

TEST_CASE("hoist: a value with the batch axis stays in the loop even if it stands before the slice", "[passes]") {
  const std::string_view text = R"(graph "g" fixed 20
%steps = input "steps" : i32[]
%batch = input "batch" : i32[]
%order = input "order" : i32[M]
%x = input "x" : f32[B,2]
for %steps, %step () {
  %f = to_fix %x : fix[B,2]
  probe "f" %f
  %rows = slice %order, %step, %batch : i32[B]
  probe "rows" %rows
  yield
}
return
)";
  CHECK(transformed(hoist, text) == canonical(text));
}

TEST_CASE("hoist: probes and bodies stay, and regions keep what is theirs", "[passes]") {
  const std::string_view text = R"(graph "g" fixed 20
%n = input "n" : i32[]
%a = input "a" : fix[B,2]
scan %n () {
  probe "a" %a
  %t = fuse {
    %h = aggregate %a, %a : fix[B,2]
    %u = threshold %h {sign} : pm1[B,2]
    yield %u
  } : pm1[B,2]
  probe "t" %t
  yield
}
return
)";
  CHECK(transformed(hoist, text) == canonical(text));
}

}  // namespace
}  // namespace relaxon
