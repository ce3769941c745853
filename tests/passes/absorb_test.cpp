#include "passes/absorb.hpp"

#include <catch2/catch.hpp>

#include "ir/text.hpp"
#include "passes/analysis/message_of.hpp"
#include "passes/lower.hpp"
#include "passes/pipeline.hpp"
#include "tests/support/random_network.hpp"
#include "tests/support/transformed.hpp"

namespace relaxon {
namespace {

using testing::transformed;

const std::string head = R"(graph "g" fixed 20
%n = input "n" : i32[]
%k = input "k" : i32[]
%c = input "c" : fix[B,2]
%d = input "d" : fix[B,2]
%x = input "x" : tern[B,2]
%J = param "J" : f32[2,2]
)";

/// Whether the pass leaves a graph alone.
bool stays(const std::string& text) {
  const Graph graph = parse(text, "test.rx");
  return equal(absorb(graph), graph);
}

TEST_CASE("absorb: what every phase and the update add to a carried message is in it from the start",
          "[passes]") {
  CHECK(transformed(absorb, head + R"(%s0 = zeros : tern[B,2]
%r0 = zeros : fix[B,2]
%s1, %r1 = scan %n (%s = %s0, %r = %r0) {
  %h = aggregate %c, %r : fix[B,2]
  %t = threshold %h {sign} : pm1[B,2]
  %u = advance %r, %s, %t, %J {dense edge=1-1 fixed} : fix[B,2]
  yield %t, %u
} : tern[B,2], fix[B,2]
%s2, %r2 = scan %k (%a = %s1, %ra = %r1) {
  %g = aggregate %c, %ra, %d : fix[B,2]
  %b = threshold %g {sign} : pm1[B,2]
  %ub = advance %ra, %a, %b, %J {dense edge=1-1 fixed} : fix[B,2]
  yield %b, %ub
} : tern[B,2], fix[B,2]
%f = aggregate %c, %r2 : fix[B,2]
return "s" %s2, "f" %f
)") == head + R"(%s0 = zeros : tern[B,2]
%r0 = zeros : fix[B,2]
%s1, %r1 = scan %n (%s = %s0, %r = %c) {
  %t = threshold %r {sign} : pm1[B,2]
  %u = advance %r, %s, %t, %J {dense edge=1-1 fixed} : fix[B,2]
  yield %t, %u
} : tern[B,2], fix[B,2]
%s2, %r2 = scan %k (%a = %s1, %ra = %r1) {
  %g = aggregate %ra, %d : fix[B,2]
  %b = threshold %g {sign} : pm1[B,2]
  %ub = advance %ra, %a, %b, %J {dense edge=1-1 fixed} : fix[B,2]
  yield %b, %ub
} : tern[B,2], fix[B,2]
return "s" %s2, "f" %r2
)");
}

TEST_CASE("absorb: a message that doesn't start from zeros keeps its start, below all terms", "[passes]") {
  CHECK(transformed(absorb, head + R"(%r0 = message %x, %J {dense edge=1-1 fixed} : fix[B,2]
%s1, %r1 = scan %n (%s = %x, %r = %r0) {
  %h = aggregate %d, %r, %c : fix[B,2]
  %t = threshold %h {sign} : pm1[B,2]
  %u = advance %r, %s, %t, %J {dense edge=1-1 fixed} : fix[B,2]
  yield %t, %u
} : tern[B,2], fix[B,2]
return "s" %s1, "start" %r0
)") == head + R"(%r0 = message %x, %J {dense edge=1-1 fixed} : fix[B,2]
%v.0 = aggregate %d, %c, %r0 : fix[B,2]
%s1, %r1 = scan %n (%s = %x, %r = %v.0) {
  %t = threshold %r {sign} : pm1[B,2]
  %u = advance %r, %s, %t, %J {dense edge=1-1 fixed} : fix[B,2]
  yield %t, %u
} : tern[B,2], fix[B,2]
return "s" %s1, "start" %r0
)");
}

/// A message that one scan carries, with the ops that read it there and after it.
std::string one_scan(const std::string& inside, const std::string& after, const std::string& start = "%r0") {
  return head + R"(%s0 = zeros : tern[B,2]
%r0 = zeros : fix[B,2]
%s1, %r1 = scan %n (%s = %s0, %r = )" +
         start + ") {\n" + inside + R"(  %u = advance %r, %s, %t, %J {dense edge=1-1 fixed} : fix[B,2]
  yield %t, %u
} : tern[B,2], fix[B,2]
)" + after;
}

const std::string reads_c = R"(  %h = aggregate %c, %r : fix[B,2]
  %t = threshold %h {sign} : pm1[B,2]
)";

TEST_CASE("absorb: only what each field of a message has, once, from before its start", "[passes]") {
  const std::string end = "return \"s\" %s1\n";
  CHECK_FALSE(stays(one_scan(reads_c, end)));
  // A field without the term, a term that is there twice, a term of the iteration's own.
  CHECK(stays(one_scan(reads_c, "%f = aggregate %d, %r1 : fix[B,2]\nreturn \"s\" %s1, \"f\" %f\n")));
  CHECK(stays(
      one_scan("  %h = aggregate %c, %r, %c : fix[B,2]\n  %t = threshold %h {sign} : pm1[B,2]\n", end)));
  CHECK(
      stays(one_scan("  %m = message %x, %J {dense fixed} : fix[B,2]\n  %h = aggregate %m, %r : fix[B,2]\n"
                     "  %t = threshold %h {sign} : pm1[B,2]\n",
                     end)));
  // Something else reads it.
  CHECK(stays(one_scan(reads_c, "return \"s\" %s1, \"r\" %r1\n")));
  CHECK(stays(one_scan(reads_c + "  probe \"r\" %r\n", end)));
  CHECK(stays(one_scan(reads_c, "%z = threshold %r1 {sign} : pm1[B,2]\nreturn \"z\" %z\n")));
  // Twice in one field.
  CHECK(stays(
      one_scan("  %h = aggregate %c, %r, %r : fix[B,2]\n  %t = threshold %h {sign} : pm1[B,2]\n", end)));
  // Its start may be anybody's.
  CHECK_FALSE(stays(one_scan(reads_c, "return \"s\" %s1, \"d\" %d\n", "%d")));
}

TEST_CASE("absorb: a term goes into one of the messages that share a field", "[passes]") {
  CHECK(transformed(absorb, head + R"(%s0 = zeros : tern[B,2]
%r0 = zeros : fix[B,2]
%s1, %r1, %q1 = scan %n (%s = %s0, %r = %r0, %q = %r0) {
  %h = aggregate %r, %c, %q : fix[B,2]
  %t = threshold %h {sign} : pm1[B,2]
  %u = advance %r, %s, %t, %J {dense edge=1-1 fixed} : fix[B,2]
  %v = advance %q, %s, %t, %J {dense edge=1-1 fixed} : fix[B,2]
  yield %t, %u, %v
} : tern[B,2], fix[B,2], fix[B,2]
return "s" %s1
)") == head + R"(%s0 = zeros : tern[B,2]
%r0 = zeros : fix[B,2]
%s1, %r1, %q1 = scan %n (%s = %s0, %r = %c, %q = %r0) {
  %h = aggregate %r, %q : fix[B,2]
  %t = threshold %h {sign} : pm1[B,2]
  %u = advance %r, %s, %t, %J {dense edge=1-1 fixed} : fix[B,2]
  %v = advance %q, %s, %t, %J {dense edge=1-1 fixed} : fix[B,2]
  yield %t, %u, %v
} : tern[B,2], fix[B,2], fix[B,2]
return "s" %s1
)");
}

/// What the advances of a graph find beside their messages, by name; "?" where there is no proof.
std::vector<std::string> beside(const std::string& text) {
  const Graph graph = parse(text, "test.rx");
  const BesideMessages all(graph);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < graph.op_count(); ++i) {
    const OpId id{static_cast<std::int32_t>(i)};
    if (graph.op(id).kind != OpKind::advance) continue;
    const std::optional<BesideMessage> found = all.of(id);
    names.push_back(!found ? "?" : found->base.index < 0 ? "nothing" : graph.value(found->base).hint);
    CHECK((all.bases().contains(id) == (found && found->base.index >= 0)));
  }
  return names;
}

using Names = std::vector<std::string>;

TEST_CASE("an accumulator holds a message and what it started from", "[passes]") {
  const std::string end = "return \"s\" %s1\n";
  CHECK(beside(one_scan(reads_c, end)) == Names{"nothing"});
  CHECK(beside(print(absorb(parse(one_scan(reads_c, end), "t")))) == Names{"c"});
  CHECK(beside(one_scan(reads_c, end, "%d")) == Names{"d"});
  const auto started = [&](const std::string& start) {
    return beside(head + start + R"(%s1, %r1 = scan %n (%s = %x, %r = %r0) {
  %t = threshold %r {sign} : pm1[B,2]
  %u = advance %r, %s, %t, %J {dense fixed} : fix[B,2]
  yield %t, %u
} : tern[B,2], fix[B,2]
return "s" %s1
)");
  };
  CHECK(started("%r0 = message %x, %J {dense fixed} : fix[B,2]\n") == Names{"nothing"});
  CHECK(started("%m = message %x, %J {dense fixed} : fix[B,2]\n%r0 = aggregate %m, %d : fix[B,2]\n") ==
        Names{"d"});
  CHECK(started("%m = message %x, %J {dense fixed} : fix[B,2]\n%r0 = aggregate %d, %m : fix[B,2]\n") ==
        Names{"d"});
  // A message of something else, or of another weight.
  CHECK(started("%y = threshold %c {sign} : pm1[B,2]\n%r0 = message %y, %J {dense fixed} : fix[B,2]\n") ==
        Names{"?"});
  CHECK(started("%K = param \"K\" : f32[2,2]\n%r0 = message %x, %K {dense fixed} : fix[B,2]\n") ==
        Names{"?"});
  CHECK(started("%r0 = aggregate %c, %d : fix[B,2]\n") == Names{"?"});
}

TEST_CASE("what another iteration started from is nobody's base", "[passes]") {
  // Each iteration of the outer scan leaves %m, of its own state, for the next one to start from.
  CHECK(beside(head + R"(%s0 = zeros : tern[B,2]
%o1, %q1 = scan %k (%o = %s0, %q = %c) {
  %s1, %r1 = scan %n (%s = %o, %r = %q) {
    %t = threshold %r {sign} : pm1[B,2]
    %u = advance %r, %s, %t, %J {dense fixed} : fix[B,2]
    yield %t, %u
  } : tern[B,2], fix[B,2]
  %y = threshold %r1 {sign} : pm1[B,2]
  %m = aggregate %r1, %d : fix[B,2]
  %z = zeros : tern[B,2]
  yield %z, %m
} : tern[B,2], fix[B,2]
return "o" %o1
)") == Names{"?"});
  // Starts that differ.
  CHECK(beside(head + R"(%s0 = zeros : tern[B,2]
%o1, %q1 = scan %k (%o = %s0, %q = %c) {
  %s1, %r1 = scan %n (%s = %o, %r = %q) {
    %t = threshold %r {sign} : pm1[B,2]
    %u = advance %r, %s, %t, %J {dense fixed} : fix[B,2]
    yield %t, %u
  } : tern[B,2], fix[B,2]
  yield %s0, %d
} : tern[B,2], fix[B,2]
return "o" %o1
)") == Names{"?"});
}

TEST_CASE("whatever networks' messages absorb, they can still be computed whole", "[passes]") {
  std::size_t based = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Network network = testing::random_network(seed, 9);
    INFO("seed " << seed << "\n" << testing::describe(network));
    PassOptions without;
    without.selection = PassSelection::parse("default,-absorb");
    const Graph lowered = lower_train_epoch(network);
    const auto proofs = [&](const Graph& graph) {
      const BesideMessages all(graph);
      std::size_t count = 0;
      for (std::size_t i = 0; i < graph.op_count(); ++i)
        count += all.of(OpId{static_cast<std::int32_t>(i)}).has_value();
      based += all.bases().size();
      return count;
    };
    CHECK(proofs(optimise(lowered)) == proofs(optimise(lowered, without)));
  }
  CHECK(based > 20);
}

}  // namespace
}  // namespace relaxon
