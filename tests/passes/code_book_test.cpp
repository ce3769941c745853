#include "passes/code_book.hpp"

#include <catch2/catch.hpp>

#include "tests/support/transformed.hpp"

namespace relaxon {
namespace {

using testing::canonical;
using testing::transformed;

TEST_CASE("code_book: a chain of row-wise ops moves to the table, outside the loop", "[passes]") {
  CHECK(transformed(code_book, R"(graph "g" fixed 20
%code = input "code" : tern[10,10]
%classes = input "classes" : i32[N]
%order = input "order" : i32[M]
%steps = input "steps" : i32[]
%batch = input "batch" : i32[]
%n = input "n" : i32[]
%W = param "W" : f32[10,3]
%a = const 0.75 : f32[]
%b = const 0.25 : f32[]
%start = zeros : fix[B,3]
for %steps, %step () {
  %rows = slice %order, %step, %batch : i32[B]
  %class = take %classes, %rows : i32[B]
  %y = take %code, %class : tern[B,10]
  %z = affine %y, %a, %b : f32[B,10]
  %m = message %z, %W {dense edge=1-2} : f32[B,3]
  %f = to_fix %m : fix[B,3]
  probe "f" %f
  probe "y" %y
  yield
}
return
)") == R"(graph "g" fixed 20
%code = input "code" : tern[10,10]
%classes = input "classes" : i32[N]
%order = input "order" : i32[M]
%steps = input "steps" : i32[]
%batch = input "batch" : i32[]
%n = input "n" : i32[]
%W = param "W" : f32[10,3]
%a = const 0.75 : f32[]
%b = const 0.25 : f32[]
%start = zeros : fix[B,3]
%v.0 = affine %code, %a, %b : f32[10,10]
%v.1 = message %v.0, %W {dense edge=1-2} : f32[10,3]
%v.2 = to_fix %v.1 : fix[10,3]
for %steps, %step () {
  %rows = slice %order, %step, %batch : i32[B]
  %class = take %classes, %rows : i32[B]
  %y = take %code, %class : tern[B,10]
  %z = take %v.0, %class : f32[B,10]
  %m = take %v.1, %class : f32[B,3]
  %f = take %v.2, %class : fix[B,3]
  probe "f" %f
  probe "y" %y
  yield
}
return
)");
}

TEST_CASE("code_book: also from a scan inside the loop", "[passes]") {
  CHECK(transformed(code_book, R"(graph "g" fixed 20
%code = input "code" : tern[10,10]
%class = input "class" : i32[B]
%steps = input "steps" : i32[]
%n = input "n" : i32[]
%W = param "W" : f32[10,3]
for %steps, %step () {
  %y = take %code, %class : tern[B,10]
  scan %n () {
    %m = message %y, %W {dense fixed} : fix[B,3]
    probe "m" %m
    yield
  }
  yield
}
return
)") == R"(graph "g" fixed 20
%code = input "code" : tern[10,10]
%class = input "class" : i32[B]
%steps = input "steps" : i32[]
%n = input "n" : i32[]
%W = param "W" : f32[10,3]
%v.0 = message %code, %W {dense fixed} : fix[10,3]
for %steps, %step () {
  %y = take %code, %class : tern[B,10]
  scan %n () {
    %m = take %v.0, %class : fix[B,3]
    probe "m" %m
    yield
  }
  yield
}
return
)");
}

TEST_CASE("code_book: messages through weights of the loop, tables of unknown or many rows and tables made inside stay", "[passes]") {
  const std::string_view text = R"(graph "g" fixed 20
%code = input "code" : tern[10,4]
%open = input "open" : tern[C,4]
%many = input "many" : tern[4097,4]
%class = input "class" : i32[B]
%steps = input "steps" : i32[]
%W = param "W" : f32[4,4]
%w = for %steps, %step (%w0 = %W) {
  %y = take %code, %class : tern[B,4]
  %m = message %y, %w0 {dense fixed} : fix[B,4]
  probe "m" %m
  %o = take %open, %class : tern[B,4]
  %p = message %o, %W {dense fixed} : fix[B,4]
  probe "p" %p
  %q = take %many, %class : tern[B,4]
  %r = message %q, %W {dense fixed} : fix[B,4]
  probe "r" %r
  %t = zeros : tern[10,4]
  %u = take %t, %class : tern[B,4]
  %v = message %u, %W {dense fixed} : fix[B,4]
  probe "v" %v
  yield %w0
} : f32[4,4]
return "w" %w
)";
  CHECK(transformed(code_book, text) == canonical(text));
}

}  // namespace
}  // namespace relaxon
