#include "passes/plan/cost.hpp"

#include <catch2/catch.hpp>

#include "core/error.hpp"

namespace relaxon {
namespace {

const std::string declarations = R"(plan "p" fixed 20
pattern @1-0 [100,300]
slot %n : i32[] tensor live 0 to 1
slot %order : i32[N] tensor live 0 to 1
slot %rows : i32[B] tensor live 0 to 1
slot %table : f32[N,100] tensor live 0 to 1
slot %scalars : f32[T,2] tensor live 0 to 1
slot %c : f32[2] tensor live 0 to 1
slot %margin : f32[300] tensor live 0 to 1
slot %x : u8{0.5}[B,100] bytes live 0 to 1
slot %r : f32[B,100] reals live 0 to 1
slot %s : pm1[B,300] signs live 0 to 1
slot %t : pm1[B,300] signs live 0 to 1
slot %h : fix[B,300] fields live 0 to 1
slot %W : f32[100,300]{@1-0} columns live 0 to 1
slot %m : f32[100,300]{@1-0} columns live 0 to 1
slot %J : f32[300,300]{offdiag} dense live 0 to 1
slot %q : f32[300,300]{offdiag} dense_fixed live 0 to 1
slot %image : f32[B,8,8,4] tensor live 0 to 1
slot %kernel : f32[3,3,2,6] tensor live 0 to 1
slot %map : f32[B,6,6,6] tensor live 0 to 1
)";

/// Of one step, for 20 samples and 5000 connections.
Cost cost_of_line(const std::string& line) {
  const Plan plan = parse_plan(declarations + line, "p.rx");
  return cost_of(plan, plan.steps.at(0), {20, {{'N', 1000}, {'T', 50}}, {5000}});
}

void check(const std::string& line, double flops, double bytes) {
  INFO(line);
  const Cost cost = cost_of_line(line);
  CHECK(cost.flops == flops);
  CHECK(cost.bytes == bytes);
}

// 20 samples fill two panels, 32 lanes.
constexpr double signs = 300 * 2 * 2 * 2, fields = 300 * 32 * 4, bytes = 100 * 32, reals = 100 * 32 * 4;
constexpr double dense = 300 * 304 * 4, columns = 5000 * 8 + 301 * 4, entries = 5000 * 4;

}  // namespace

TEST_CASE("bytes of slots follow their storage", "[cost]") {
  check("%s = copy(%t)", 0, 2 * signs);
  check("%h = zero()", 0, fields);
  check("%J = copy(%J)", 0, 2 * dense);
  check("%m = copy(%W)", 0, columns + entries);
}

TEST_CASE("tables cost the rows that are taken", "[cost]") {
  check("%rows = slice(%order, %n, %n)", 0, 20 * 4 + 4 + 20 * 4);
  check("%r = gather(%table, %rows)", 0, 20 * 100 * 4 + 20 * 4 + reals);
  check("%c = take_row(%scalars, %n)", 0, 8 + 4 + 8);
}

TEST_CASE("messages cost two flops for each sample and connection", "[cost]") {
  check("%h = exact(%s, %q) {dense fixed}", 2. * 20 * 300 * 300, signs + dense + fields);
  check("%h = real(%x, %W) {dense}", 2. * 20 * 5000, bytes + columns + fields);
  check("%h = advance(%h, %s, %t, %q) {dense fixed}", 2. * 20 * 300 * 300, 2 * fields + 2 * signs + dense);
  check("%q = quantise(%J) {dense fixed}", 2. * 300 * 300, 2 * dense);
  check("%map = reference message(%image, %kernel) {conv groups=2}", 2. * 20 * 6 * 6 * 6 * 3 * 3 * 2,
        4. * (20 * 8 * 8 * 4 + 3 * 3 * 2 * 6 + 20 * 6 * 6 * 6));
}

TEST_CASE("epilogues cost their sums and comparisons", "[cost]") {
  check("%h = sum(%h, %h, %h)", 2. * 20 * 300, 2 * fields);
  check("%s = sign(%h, %h) {sign}", 2. * 20 * 300, fields + signs);
  check("%s = margin(%h, %t, %margin) {perceptron}", 2. * 20 * 300, fields + signs + 1200 + signs);
  check("%h = to_fields(%h)", 2. * 20 * 300, 2 * fields);
}

TEST_CASE("updates cost the correlation and the optimizer step of connected entries", "[cost]") {
  check("%W = update(%W, %x, %s, %c) {sgd} after correlate {dense} : f32[100,300]{@1-0}",
        5000. * (2 * 20 + 4), columns + entries + bytes + signs + 8);
  check("%W, %m = apply(%W, %m, %W, %c) {momentum}", 5000. * 7, 2 * (columns + entries) + 8);
  check("%J = correlate(%s, %t) {dense} : f32[300,300]{offdiag}", 2. * 20 * 300 * 300, 2 * signs + dense);
}

TEST_CASE("a loop costs one iteration", "[cost]") {
  check("%h = scan %n (%h = %h) {\n%h = sum(%h, %h)\n%s = copy(%t)\nyield %h\n}", 20 * 300,
        2 * fields + 2 * signs);
}

TEST_CASE("sizes that are missing are a mistake of the caller", "[cost]") {
  const Plan plan =
      parse_plan(declarations + "%c = take_row(%scalars, %n)\n%W = copy(%W)\n%order = copy(%order)", "p.rx");
  CHECK_THROWS_WITH(cost_of(plan, plan.steps[1], {}), "plan sizes: no entries of pattern 0");
  CHECK_THROWS_WITH(cost_of(plan, plan.steps[2], {}), "plan sizes: no length of axis N");
}

}  // namespace relaxon
