#include "passes/fuse_phase.hpp"

#include <catch2/catch.hpp>

#include "tests/support/transformed.hpp"

namespace relaxon {
namespace {

using testing::canonical;
using testing::transformed;

TEST_CASE("fuse_phase: three phases with one body are one", "[passes]") {
  CHECK(transformed(fuse_phase, R"(graph "g" fixed 20
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
  %hq = aggregate %c, %mq : fix[B,2]
  %tq = threshold %hq {sign} : pm1[B,2]
  yield %tq
} : tern[B,2]
%s3 = scan %k (%ar = %s2) {
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
%iterations = add %n, %k : i32[]
%iterations.1 = add %iterations, %k : i32[]
%s3 = scan %iterations.1 (%ar = %s0) {
  %mr = message %ar, %J {dense edge=1-1 fixed} : fix[B,2]
  %hr = aggregate %c, %mr : fix[B,2]
  %tr = threshold %hr {sign} : pm1[B,2]
  yield %tr
} : tern[B,2]
return "s" %s3
)");
}

TEST_CASE("fuse_phase: another value from outside is another body", "[passes]") {
  const std::string_view text = R"(graph "g" fixed 20
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
return "s" %s2
)";
  CHECK(transformed(fuse_phase, text) == canonical(text));
}

TEST_CASE("fuse_phase: a state that is used between the phases is needed", "[passes]") {
  const std::string_view text = R"(graph "g" fixed 20
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
  %hq = aggregate %c, %mq : fix[B,2]
  %tq = threshold %hq {sign} : pm1[B,2]
  yield %tq
} : tern[B,2]
return "s" %s2, "between" %s1
)";
  CHECK(transformed(fuse_phase, text) == canonical(text));
}

TEST_CASE("fuse_phase: probes see the iteration, and an early exit is of one phase", "[passes]") {
  const std::string_view text = R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%s1 = scan %n (%p = %s0) {
  probe "p" %p
  yield %p
} : tern[B,2]
%s2 = scan %n (%q = %s1) {
  probe "p" %q
  yield %q
} : tern[B,2]
%s3 = scan %n (%r = %s2) until unchanged(%r) {
  %t = threshold %c {sign} : pm1[B,2]
  yield %t
} : tern[B,2]
%s4 = scan %n (%u = %s3) until unchanged(%u) {
  %v = threshold %c {sign} : pm1[B,2]
  yield %v
} : tern[B,2]
return "s" %s4
)";
  CHECK(transformed(fuse_phase, text) == canonical(text));
}

TEST_CASE("fuse_phase: states that change places go on as they are", "[passes]") {
  const std::string_view text = R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%a, %b = scan %n (%p = %s0, %q = %s0) {
  %t = threshold %c {sign} : pm1[B,2]
  yield %q, %t
} : tern[B,2], tern[B,2]
%e, %f = scan %n (%r = %b, %s = %a) {
  %u = threshold %c {sign} : pm1[B,2]
  yield %s, %u
} : tern[B,2], tern[B,2]
return "e" %e, "f" %f
)";
  CHECK(transformed(fuse_phase, text) == canonical(text));
}

TEST_CASE("fuse_phase: phases of batches of different lengths are two", "[passes]") {
  const std::string_view text = R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%J = param "J" : f32[2,2]
%s0 = zeros : tern[B,2]
%order = input "order" : i32[M]
%s1 = scan %n (%ap = %s0) {
  %mp = message %ap, %J {dense edge=1-1 fixed} : fix[B,2]
  %hp = aggregate %c, %mp : fix[B,2]
  %tp = threshold %hp {sign} : pm1[B,2]
  yield %tp
} : tern[B,2]
%rows = slice %order, %n, %k : i32[B]
%s2 = scan %k (%aq = %s1) {
  %mq = message %aq, %J {dense edge=1-1 fixed} : fix[B,2]
  %hq = aggregate %c, %mq : fix[B,2]
  %tq = threshold %hq {sign} : pm1[B,2]
  yield %tq
} : tern[B,2]
return "s" %s2, "rows" %rows
)";
  CHECK(transformed(fuse_phase, text) == canonical(text));
}

}  // namespace
}  // namespace relaxon
