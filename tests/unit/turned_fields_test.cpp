#include "passes/plan/turned_fields.hpp"

#include <catch2/catch.hpp>

#include "passes/plan/verify.hpp"

namespace relaxon {
namespace {

/// %m lies by lane, %r by sample; a scan adds them, in 6 iterations as far as the cost model knows.
const std::string head = R"(plan "p" fixed 20
slot %n : i32[] tensor live 0 to 20
slot %x : f32[B,900] reals live 0 to 20
slot %J : f32[900,900] dense_fixed live 0 to 20
slot %s : tern[B,900] signs live 0 to 20
slot %t : pm1[B,900] signs live 0 to 20
slot %m : fix[B,900] fields live 0 to 20
slot %r : fix[B,900] field_rows live 0 to 20
slot %l : fix[B,900] fields live 0 to 20
)";

std::string scan_of(const std::string& body) {
  return "%s, %r = scan %n (%s = %s, %r = %r) {\n" + body +
         "  %r = follow(%r, %s, %t, %J) {dense edge=1-1 fixed}\n  yield %t, %r\n}\n";
}

const std::string made = "%m = to_fields(%x)\n", mixed = "  %t = sign(%m, %r) {sign}\n";

/// The plan of these steps afterwards, without the slots and positions that it began with.
std::string turned(const std::string& steps, const std::string& target = "") {
  Plan plan = parse_plan(head + steps, "p.rx");
  PlanOptions options;
  options.target = parse_target(target, "t");
  turn_fields_once(plan, options);
  const std::string text = print(plan);
  CHECK(parse_plan(text, "p.rx") == plan);
  return text.substr(text.find("slot %l"));
}

/// That nothing has changed.
void check_kept(const std::string& steps, const std::string& target = "") {
  INFO(steps);
  const std::string text = print(parse_plan(head + steps, "p.rx"));
  CHECK(turned(steps, target) == text.substr(text.find("slot %l")));
}

}  // namespace

TEST_CASE("fields that a scan would turn in each iteration are turned where they are made",
          "[plan][layout]") {
  CHECK(turned(made + scan_of(mixed)) == R"(slot %l : fix[B,900] fields live 0 to 20
slot %m.1 "m" : fix[B,900] field_rows live 0 to 0
%m = to_fields(%x)
%m.1 = turn(%m) why "once, instead of in each sum"
%s, %r = scan %n (%s = %s, %r = %r) {
  %t = sign(%m.1, %r) {sign}
  %r = follow(%r, %s, %t, %J) {dense edge=1-1 fixed}
  yield %t, %r
}
)");
}

TEST_CASE("every sum of both layouts reads what was turned, others what was made", "[plan][layout]") {
  const std::string text =
      turned(made + "%s = sign(%m) {sign}\n" + scan_of(mixed) + scan_of(mixed) + "%r = sum(%r, %m)\n");
  CHECK(text.find("%s = sign(%m) {sign}") != std::string::npos);
  CHECK(text.find("sign(%m, %r)") == std::string::npos);
  CHECK(text.find("%r = sum(%r, %m.1)") != std::string::npos);
}

TEST_CASE("fields stay as they are where turning them once gains nothing", "[plan][layout]") {
  check_kept(made + "%t = sign(%m, %r) {sign}\n");             // a single sum
  check_kept(made + scan_of("  %t = sign(%m) {sign}\n"));      // nothing by sample is added
  check_kept(scan_of("  %m = to_fields(%x)\n" + mixed));       // made in each iteration
  check_kept(made + "%m = to_fields(%x)\n" + scan_of(mixed));  // or more than once
  check_kept(made + scan_of(mixed) + "%l, %m = scan %n (%l = %l, %m = %m) {\n  yield %m, %l\n}\n");
}

TEST_CASE("the cost model decides what is turned", "[plan][layout]") {
  const std::string two = made + "%t = sign(%m, %r) {sign}\n%l = zero()\n%t = sign(%m, %r) {sign}\n";
  CHECK(turned(two).find("%m.1 = turn(%m)") != std::string::npos);
  // Sums gain more from a core that does twice the vector operations than turning does.
  check_kept(two, "adds=236 fmas=118");
}

}  // namespace relaxon
