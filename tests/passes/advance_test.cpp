#include "passes/advance.hpp"

#include <catch2/catch.hpp>

#include "tests/support/transformed.hpp"

namespace relaxon {
namespace {

using testing::canonical;
using testing::transformed;

TEST_CASE("advance: a scan carries the message of its state, phases hand it on, and the update reads it", "[passes]") {
  CHECK(transformed(advance, R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%s1 = scan %n (%ap = %s0) {
  %mp = message %ap, %J {dense edge=1-1 fixed} : fix[B,2]
  %hp = aggregate %c, %mp : fix[B,2]
  %tp = threshold %hp {sign} : pm1[B,2]
  yield %tp
} : tern[B,2]
%s2 = scan %k (%aq = %s1) {
  %mq = message %aq, %J {dense edge=1-1 fixed} : fix[B,2]
  %hq = aggregate %d, %mq : fix[B,2]
  %tq = threshold %hq {sign} : pm1[B,2]
  yield %tq
} : tern[B,2]
%f = message %s2, %J {dense edge=1-1 fixed} : fix[B,2]
return "s" %s2, "f" %f
)") == R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%r1-1 = message %s0, %J {dense edge=1-1 fixed} : fix[B,2]
%s1, %r1-1.2 = scan %n (%ap = %s0, %r1-1.1 = %r1-1) {
  %hp = aggregate %c, %r1-1.1 : fix[B,2]
  %tp = threshold %hp {sign} : pm1[B,2]
  %r1-1.3 = advance %r1-1.1, %ap, %tp, %J {dense edge=1-1 fixed} : fix[B,2]
  yield %tp, %r1-1.3
} : tern[B,2], fix[B,2]
%s2, %r1-1.5 = scan %k (%aq = %s1, %r1-1.4 = %r1-1.2) {
  %hq = aggregate %d, %r1-1.4 : fix[B,2]
  %tq = threshold %hq {sign} : pm1[B,2]
  %r1-1.6 = advance %r1-1.4, %aq, %tq, %J {dense edge=1-1 fixed} : fix[B,2]
  yield %tq, %r1-1.6
} : tern[B,2], fix[B,2]
return "s" %s2, "f" %r1-1.5
)");
}

TEST_CASE("advance: the message of the new state of a sequential sweep", "[passes]") {
  CHECK(transformed(advance, R"(graph "g" fixed 20
%n = input "n" : i32[]
%c = input "c" : fix[B,2]
%U = param "U" : f32[2,3]
%D = param "D" : f32[3,2]
%p0 = zeros : tern[B,2]
%q0 = zeros : tern[B,3]
%p1, %q1 = scan %n (%p = %p0, %q = %q0) {
  %down = message %q, %D {dense edge=1-2 fixed} : fix[B,2]
  %h = aggregate %c, %down : fix[B,2]
  %pt = threshold %h {sign} : pm1[B,2]
  %up = message %pt, %U {dense edge=2-1 fixed} : fix[B,3]
  %qt = threshold %up {sign} : pm1[B,3]
  yield %pt, %qt
} : tern[B,2], tern[B,3]
return "p" %p1, "q" %q1
)") == R"(graph "g" fixed 20
%n = input "n" : i32[]
%c = input "c" : fix[B,2]
%U = param "U" : f32[2,3]
%D = param "D" : f32[3,2]
%p0 = zeros : tern[B,2]
%q0 = zeros : tern[B,3]
%r1-2 = message %q0, %D {dense edge=1-2 fixed} : fix[B,2]
%r2-1 = message %p0, %U {dense edge=2-1 fixed} : fix[B,3]
%p1, %q1, %r1-2.2, %r2-1.2 = scan %n (%p = %p0, %q = %q0, %r1-2.1 = %r1-2, %r2-1.1 = %r2-1) {
  %h = aggregate %c, %r1-2.1 : fix[B,2]
  %pt = threshold %h {sign} : pm1[B,2]
  %r2-1.3 = advance %r2-1.1, %p, %pt, %U {dense edge=2-1 fixed} : fix[B,3]
  %qt = threshold %r2-1.3 {sign} : pm1[B,3]
  %r1-2.3 = advance %r1-2.1, %q, %qt, %D {dense edge=1-2 fixed} : fix[B,2]
  yield %pt, %qt, %r1-2.3, %r2-1.3
} : tern[B,2], tern[B,3], fix[B,2], fix[B,3]
return "p" %p1, "q" %q1
)");
}

TEST_CASE("advance: an edge that a phase left out needs one advance from where it was", "[passes]") {
  CHECK(transformed(advance, R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%s1 = scan %n (%ap = %s0) {
  %mp = message %ap, %J {dense edge=1-1 fixed} : fix[B,2]
  %hp = aggregate %c, %mp : fix[B,2]
  %tp = threshold %hp {sign} : pm1[B,2]
  yield %tp
} : tern[B,2]
%s2 = scan %k (%q = %s1) {
  %t = threshold %c {sign} : pm1[B,2]
  yield %t
} : tern[B,2]
%s3 = scan %n (%ar = %s2) {
  %mr = message %ar, %J {dense edge=1-1 fixed} : fix[B,2]
  %hr = aggregate %c, %mr : fix[B,2]
  %tr = threshold %hr {sign} : pm1[B,2]
  yield %tr
} : tern[B,2]
return "s" %s3
)") == R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%r1-1 = message %s0, %J {dense edge=1-1 fixed} : fix[B,2]
%s1, %r1-1.2 = scan %n (%ap = %s0, %r1-1.1 = %r1-1) {
  %hp = aggregate %c, %r1-1.1 : fix[B,2]
  %tp = threshold %hp {sign} : pm1[B,2]
  %r1-1.3 = advance %r1-1.1, %ap, %tp, %J {dense edge=1-1 fixed} : fix[B,2]
  yield %tp, %r1-1.3
} : tern[B,2], fix[B,2]
%s2 = scan %k (%q = %s1) {
  %t = threshold %c {sign} : pm1[B,2]
  yield %t
} : tern[B,2]
%r1-1.4 = advance %r1-1.2, %s1, %s2, %J {dense edge=1-1 fixed} : fix[B,2]
%s3, %r1-1.6 = scan %n (%ar = %s2, %r1-1.5 = %r1-1.4) {
  %hr = aggregate %c, %r1-1.5 : fix[B,2]
  %tr = threshold %hr {sign} : pm1[B,2]
  %r1-1.7 = advance %r1-1.5, %ar, %tr, %J {dense edge=1-1 fixed} : fix[B,2]
  yield %tr, %r1-1.7
} : tern[B,2], fix[B,2]
return "s" %s3
)");
}

TEST_CASE("advance: an update makes a new weight, whose messages start anew", "[passes]") {
  CHECK(transformed(advance, R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%x = input "x" : f32[2]
%s1 = scan %n (%ap = %s0) {
  %mp = message %ap, %J {dense edge=1-1 fixed} : fix[B,2]
  %hp = aggregate %c, %mp : fix[B,2]
  %tp = threshold %hp {sign} : pm1[B,2]
  yield %tp
} : tern[B,2]
%v = error %s1, %c, %x {perceptron} : tern[B,2]
%S = correlate %s1, %v {dense} : i64[2,2]
%J2 = apply %J, %S, %x {sgd} : f32[2,2]
%s2 = scan %n (%aq = %s1) {
  %mq = message %aq, %J2 {dense edge=1-1 fixed} : fix[B,2]
  %hq = aggregate %c, %mq : fix[B,2]
  %tq = threshold %hq {sign} : pm1[B,2]
  yield %tq
} : tern[B,2]
return "s" %s2
)") == R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%x = input "x" : f32[2]
%r1-1 = message %s0, %J {dense edge=1-1 fixed} : fix[B,2]
%s1, %r1-1.2 = scan %n (%ap = %s0, %r1-1.1 = %r1-1) {
  %hp = aggregate %c, %r1-1.1 : fix[B,2]
  %tp = threshold %hp {sign} : pm1[B,2]
  %r1-1.3 = advance %r1-1.1, %ap, %tp, %J {dense edge=1-1 fixed} : fix[B,2]
  yield %tp, %r1-1.3
} : tern[B,2], fix[B,2]
%v = error %s1, %c, %x {perceptron} : tern[B,2]
%S = correlate %s1, %v {dense} : i64[2,2]
%J2 = apply %J, %S, %x {sgd} : f32[2,2]
%r1-1.4 = message %s1, %J2 {dense edge=1-1 fixed} : fix[B,2]
%s2, %r1-1.6 = scan %n (%aq = %s1, %r1-1.5 = %r1-1.4) {
  %hq = aggregate %c, %r1-1.5 : fix[B,2]
  %tq = threshold %hq {sign} : pm1[B,2]
  %r1-1.7 = advance %r1-1.5, %aq, %tq, %J2 {dense edge=1-1 fixed} : fix[B,2]
  yield %tq, %r1-1.7
} : tern[B,2], fix[B,2]
return "s" %s2
)");
}

TEST_CASE("advance: messages of what the scan does not change, float messages and swapped states stay", "[passes]") {
  const std::string_view text = R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%x = input "x" : tern[B,2]
%p1, %q1, %f1, %w1 = scan %n (%p = %s0, %q = %s0, %f = %x, %w = %x) {
  %mx = message %x, %J {dense fixed} : fix[B,2]
  %mf = message %f, %J {dense fixed} : fix[B,2]
  %mp = message %p, %J {dense fixed} : fix[B,2]
  %mw = message %w, %J {dense} : f32[B,2]
  %tw = threshold %mw {sign} : pm1[B,2]
  %h = aggregate %mx, %mf, %mp : fix[B,2]
  probe "h" %h
  yield %q, %p, %f, %tw
} : tern[B,2], tern[B,2], tern[B,2], tern[B,2]
return "p" %p1
)";
  CHECK(transformed(advance, text) == canonical(text));
}

}  // namespace
}  // namespace relaxon
