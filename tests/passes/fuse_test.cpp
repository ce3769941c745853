#include "passes/fuse.hpp"

#include <catch2/catch.hpp>

#include "tests/support/transformed.hpp"

namespace relaxon {
namespace {

using testing::canonical;
using testing::transformed;

TEST_CASE("fuse: a field and its threshold, a field that something else uses is yielded too", "[passes]") {
  CHECK(transformed(fuse, R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%s1 = scan %n (%s = %s0) {
  %m = message %s, %J {dense fixed} : fix[B,2]
  %h = aggregate %c, %m : fix[B,2]
  %t = threshold %h {sign} : pm1[B,2]
  yield %t
} : tern[B,2]
%g = aggregate %c, %d : fix[B,2]
%u = threshold %g {sign} : pm1[B,2]
return "s" %s1, "g" %g, "u" %u
)") == R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%s1 = scan %n (%s = %s0) {
  %m = message %s, %J {dense fixed} : fix[B,2]
  %t = fuse {
    %h = aggregate %c, %m : fix[B,2]
    %t.1 = threshold %h {sign} : pm1[B,2]
    yield %t.1
  } : pm1[B,2]
  yield %t
} : tern[B,2]
%g, %u = fuse {
  %g.1 = aggregate %c, %d : fix[B,2]
  %u.1 = threshold %g.1 {sign} : pm1[B,2]
  yield %g.1, %u.1
} : fix[B,2], pm1[B,2]
return "s" %s1, "g" %g, "u" %u
)");
}

TEST_CASE("fuse: errors of one field", "[passes]") {
  CHECK(transformed(fuse, R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%x = input "x" : f32[2]
%y = input "y" : f32[2]
%h = aggregate %c, %d : fix[B,2]
%v = error %s0, %h, %x {perceptron} : tern[B,2]
%w = error %s0, %h, %y {perceptron} : tern[B,2]
return "v" %v, "w" %w
)") == R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%x = input "x" : f32[2]
%y = input "y" : f32[2]
%v, %w = fuse {
  %h = aggregate %c, %d : fix[B,2]
  %v.1 = error %s0, %h, %x {perceptron} : tern[B,2]
  %w.1 = error %s0, %h, %y {perceptron} : tern[B,2]
  yield %v.1, %w.1
} : tern[B,2], tern[B,2]
return "v" %v, "w" %w
)");
}

TEST_CASE("fuse: an error whose target comes later, and a field for its own sake, stay", "[passes]") {
  const std::string_view text = R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%x = input "x" : f32[2]
%h = aggregate %c, %d : fix[B,2]
%t = threshold %c {sign} : pm1[B,2]
%v = error %t, %h, %x {perceptron} : tern[B,2]
%g = aggregate %d, %c : fix[B,2]
return "v" %v, "g" %g
)";
  CHECK(transformed(fuse, text) == canonical(text));
}

TEST_CASE("fuse: a correlation and its optimizer step", "[passes]") {
  CHECK(transformed(fuse, R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%v = input "v" : tern[B,2]
%x = input "x" : f32[4]
%m = param "m" : f32[2,2]
%S = correlate %s0, %v {dense edge=1-1} : i64[2,2]
%J2, %m2 = apply %J, %m, %S, %x {momentum edge=1-1} : f32[2,2], f32[2,2]
return "J" %J2, "m" %m2
)") == R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%v = input "v" : tern[B,2]
%x = input "x" : f32[4]
%m = param "m" : f32[2,2]
%J2, %m2 = fuse {
  %S = correlate %s0, %v {dense edge=1-1} : i64[2,2]
  %J2.1, %m2.1 = apply %J, %m, %S, %x {momentum edge=1-1} : f32[2,2], f32[2,2]
  yield %J2.1, %m2.1
} : f32[2,2], f32[2,2]
return "J" %J2, "m" %m2
)");
}

TEST_CASE("fuse: the difference of two correlations and its optimizer step", "[passes]") {
  CHECK(transformed(fuse, R"(graph "g" fixed 20
%s0 = input "s0" : tern[B,2]
%s1 = input "s1" : tern[B,2]
%v0 = input "v0" : tern[B,2]
%v1 = input "v1" : tern[B,2]
%x = input "x" : f32[2]
%J = param "J" : f32[2,2]
%F = correlate %s0, %v0 {dense edge=1-1} : i64[2,2]
%C = correlate %s1, %v1 {dense edge=1-1} : i64[2,2]
%S = subtract %C, %F : f32[2,2]
%J2 = apply %J, %S, %x {sgd edge=1-1} : f32[2,2]
return "J" %J2
)") == R"(graph "g" fixed 20
%s0 = input "s0" : tern[B,2]
%s1 = input "s1" : tern[B,2]
%v0 = input "v0" : tern[B,2]
%v1 = input "v1" : tern[B,2]
%x = input "x" : f32[2]
%J = param "J" : f32[2,2]
%J2 = fuse {
  %C = correlate %s1, %v1 {dense edge=1-1} : i64[2,2]
  %F = correlate %s0, %v0 {dense edge=1-1} : i64[2,2]
  %S = subtract %C, %F : f32[2,2]
  %J2.1 = apply %J, %S, %x {sgd edge=1-1} : f32[2,2]
  yield %J2.1
} : f32[2,2]
return "J" %J2
)");
}

TEST_CASE("fuse: a difference, or a part of it, that something else needs stays", "[passes]") {
  const std::string_view text = R"(graph "g" fixed 20
%s0 = input "s0" : tern[B,2]
%s1 = input "s1" : tern[B,2]
%v0 = input "v0" : tern[B,2]
%v1 = input "v1" : tern[B,2]
%x = input "x" : f32[2]
%J = param "J" : f32[2,2]
%F = correlate %s0, %v0 {dense} : i64[2,2]
%C = correlate %s1, %v1 {dense} : i64[2,2]
%S = subtract %C, %F : f32[2,2]
%J2 = apply %J, %S, %x {sgd} : f32[2,2]
%E = correlate %s1, %v0 {dense} : i64[2,2]
%D = correlate %s0, %v1 {dense} : i64[2,2]
%T = subtract %D, %E : f32[2,2]
%J3 = apply %J2, %T, %x {sgd} : f32[2,2]
%U = subtract %D, %D : f32[2,2]
%J4 = apply %J3, %U, %x {sgd} : f32[2,2]
%V = subtract %S, %T : f32[2,2]
%J5 = apply %J4, %V, %x {sgd} : f32[2,2]
return "J" %J5, "S" %S, "T" %T
)";
  CHECK(transformed(fuse, text) == canonical(text));
}

TEST_CASE("fuse: a correlation that is needed twice, or of another block, stays", "[passes]") {
  const std::string_view text = R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%v = input "v" : tern[B,2]
%x = input "x" : f32[2]
%S = correlate %s0, %v {dense} : i64[2,2]
%J2 = apply %J, %S, %x {sgd} : f32[2,2]
%J3 = apply %J2, %S, %x {sgd} : f32[2,2]
%T = correlate %v, %v {dense} : i64[2,2]
%J4 = scan %n (%w = %J3) {
  %w2 = apply %w, %T, %x {sgd} : f32[2,2]
  yield %w2
} : f32[2,2]
return "J" %J4
)";
  CHECK(transformed(fuse, text) == canonical(text));
}

TEST_CASE("fuse: what would move across a slice stays", "[passes]") {
  const std::string_view text = R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%order = input "order" : i32[M]
%v = input "v" : tern[B,2]
%x = input "x" : f32[2]
%S = correlate %s0, %v {dense} : i64[2,2]
%rows = slice %order, %n, %k : i32[B]
%J2 = apply %J, %S, %x {sgd} : f32[2,2]
return "J" %J2, "rows" %rows
)";
  CHECK(transformed(fuse, text) == canonical(text));
}

}  // namespace
}  // namespace relaxon
