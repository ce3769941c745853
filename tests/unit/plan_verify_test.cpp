#include <catch2/catch.hpp>
#include <functional>

#include "passes/lower.hpp"
#include "passes/pipeline.hpp"
#include "passes/plan/verify.hpp"
#include "tests/support/files.hpp"
#include "tests/support/random_network.hpp"
#include "tests/support/run_graph.hpp"

namespace relaxon {
namespace {

using testing::error_of;

/// A scan that follows a message, then an update: all that is looked at in one small plan.
const std::string legal = R"(plan "p" fixed 20
slot %n : i32[] tensor live 0 to 5
slot %c : f32[2] tensor live 0 to 10
slot %b : tern[B,4] tensor live 0 to 1
slot %w : f32[4,4] tensor live 0 to 2
slot %W : f32[4,4] dense live 2 to 11
slot %s : tern[B,4] signs live 1 to 10
slot %t : pm1[B,4] signs live 6 to 8
slot %r : fix[B,4] field_rows live 4 to 9
slot %q : f32[4,4] dense_fixed live 3 to 8
slot %v : tern[B,4] signs live 9 to 10
slot %m : f32[4] tensor live 0 to 9
slot %o : f32[4,4] tensor live 11 to 11
binding "n" %n
binding "c" %c
binding "b" %b
binding "w" %w
binding "m" %m
%s = load(%b)
%W = load(%w)
%q = quantise(%W) {dense edge=1-1 fixed}
%r = zero()
%s, %r = scan %n (%s = %s, %r = %r) until unchanged(%s) {
  %t = sign(%r) {sign}
  %r = follow(%r, %s, %t, %q) {dense edge=1-1 fixed} whole from 3
  yield %t, %r
}
%v = margin(%r, %s, %m) {perceptron}
%W = update(%W, %s, %v, %c) {sgd edge=1-1} after correlate {dense edge=1-1} : f32[4,4]
%o = store(%W)
result "w" %o
)";

/// With slots that live throughout: for tests of everything else.
Plan live_throughout(const std::string& text) {
  Plan plan = parse_plan(text, "p.rx");
  for (Slot& slot : plan.slots) slot.first = 0, slot.last = 99;
  return plan;
}

std::string with(const std::string& from, const std::string& to) {
  std::string text = legal;
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string error_with(const std::string& from, const std::string& to) {
  return error_of([&] { verify(live_throughout(with(from, to))); });
}

std::string error_where(const std::function<void(Plan&)>& change) {
  Plan plan = live_throughout(legal);
  change(plan);
  return error_of([&] { verify(plan); });
}

Step& scan_of(Plan& plan) { return plan.steps[4]; }

}  // namespace

TEST_CASE("a legal plan passes", "[plan][verify]") { CHECK_NOTHROW(verify(parse_plan(legal, "p.rx"))); }

TEST_CASE("slots, bindings and results of a plan are checked", "[plan][verify]") {
  CHECK(error_with("%v : tern[B,4] signs", "%v : f32[B,4] signs") ==
        "plan p: slot %v : f32[B,4] lies as signs; expected tensor or reals");
  CHECK(error_with("%q : f32[4,4] dense_fixed", "%q : f32[4,4] columns_fixed") ==
        "plan p: slot %q : f32[4,4] lies as columns_fixed; expected tensor or dense or dense_fixed");
  CHECK(error_with("result \"w\" %o", "result \"w\" %W") ==
        "plan p: result \"w\": %W lies as dense; expected tensor");
  CHECK(error_with("binding \"n\" %n", "binding \"n\" %v") ==
        "plan p: binding \"n\": %v lies as signs; expected tensor");
  CHECK(error_with("%o = store(%W)\n", "") == "plan p: result \"w\": nothing writes %o");
  CHECK(error_where([](Plan& p) { p.results[0].slot = SlotId{12}; }) ==
        "plan p: result \"w\" names slot 12 of 12");
  CHECK(error_where([](Plan& p) { p.steps[0].inputs[0] = SlotId{}; }) ==
        "plan p: step 1 (%s = load): slot -1 of 12");
  CHECK(error_where([](Plan& p) {
          p.slots[4].type.entries = {Entries::Kind::sparse, {0}};
        }) == "plan p: slot %W has pattern 0 of 0");
}

TEST_CASE("steps take and leave what their kernels are made for", "[plan][verify]") {
  CHECK(error_with("quantise(%W)", "quantise(%w)") ==
        "plan p: step 3 (%q = quantise): input 1 is %w in tensor; expected dense or columns");
  CHECK(error_with("%t = sign(%r)", "%t = sign(%s)") ==
        "plan p: step 6 (%t = sign): input 1 is %s in signs; expected fields or field_rows or partial_rows");
  CHECK(error_with("%r : fix[B,4] field_rows", "%r : fix[B,4] fields") ==
        "plan p: step 7 (%r = follow): input 1 is %r in fields; expected field_rows");
  CHECK(error_with("load(%b)", "load(%b, %b)") == "plan p: step 1 (%s = load): 2 inputs; expected 1");
  CHECK(error_with("%r = zero()", "%r, %v = zero()") ==
        "plan p: step 4 (%r, %v = zero): 2 outputs; expected 1");
  CHECK(error_with("%o = store(%W)", "%o = store(%w)") ==
        "plan p: step 11 (%o = store): %w and %o both lie as tensor");
  CHECK(error_with("update(%W, %s, %v, %c) {sgd edge", "update(%W, %s, %v, %c) {momentum edge") ==
        "plan p: step 10 (%W = update): 4 inputs; expected 5");
  CHECK(error_with("%v = margin(%r, %s, %m)", "%v = margin(%s, %r, %c)") == "no error");
  CHECK(error_with("{dense edge=1-1 fixed}\n%r", "\n%r") ==
        "plan p: step 3 (%q = quantise): the attributes aren't those of message");
  CHECK(error_with(" after correlate {dense edge=1-1} : f32[4,4]", "") ==
        "plan p: step 10 (%W = update): no correlation; expected one before an optimizer's step");
  CHECK(error_where([](Plan& p) { p.steps[2].region = CorrelateAttributes{}; }) ==
        "plan p: step 3 (%q = quantise): attributes of a first op; expected them of update alone");
  CHECK(error_where([](Plan& p) { p.steps[2].op = OpKind::advance; }) ==
        "plan p: step 3 (%q = quantise): it computes advance; expected message");
}

TEST_CASE("shapes of a plan's steps fit", "[plan][verify]") {
  CHECK(error_with("%b : tern[B,4]", "%b : tern[B,5]") ==
        "plan p: step 1 (%s = load): %b has shape [B,5], %s has [B,4]");
  CHECK(error_with("%t : pm1[B,4] signs live 6 to 8\nslot %r : fix[B,4]",
                   "%t : pm1[B,4] signs live 6 to 8\nslot %r : fix[B,5]") ==
        "plan p: step 6 (%t = sign): %r has 5 units, %t has 4");
  CHECK(error_with("%W : f32[4,4] dense", "%W : f32[4,3] dense") ==
        "plan p: step 2 (%W = load): %w has shape [4,4], %W has [4,3]");
  CHECK(error_where([](Plan& p) {
          p.slots[3].type.dims = p.slots[4].type.dims = p.slots[8].type.dims = {3, 4};
        }) == "plan p: step 7 (%r = follow): %s has 4 units; expected 3, the senders of %q");
  CHECK(error_where([](Plan& p) {
          p.slots[3].type.dims = p.slots[4].type.dims = p.slots[8].type.dims = {4, 5};
        }) == "plan p: step 7 (%r = follow): %r has 4 units; expected 5, the receivers of %q");
}

TEST_CASE("slots of a plan are written before they are read", "[plan][verify]") {
  CHECK(error_with("%r = zero()\n", "") ==
        "plan p: step 4 (%s, %r = scan): %r is read before anything writes it");
  CHECK(error_with("%t = sign(%r) {sign}\n", "") ==
        "plan p: step 6 (%r = follow): %t is read before anything writes it");
  // What a body makes is not there after it: it may run no iteration.
  CHECK(error_with("margin(%r, %s, %m)", "margin(%r, %t, %m)") ==
        "plan p: step 9 (%v = margin): %t is read before anything writes it");
}

TEST_CASE("only kernels that work in place write what they read", "[plan][verify]") {
  CHECK(error_with("%v = margin(%r, %s, %m)", "%s = margin(%r, %s, %m)") ==
        "plan p: step 9 (%s = margin): %s is read and written; this kernel doesn't work in place");
  CHECK(error_with("%W = update(%W", "%q = update(%W") ==
        "plan p: step 10 (%q = update): %q is written; expected input 1: this kernel works in place");
  CHECK(error_with("%r = zero()", "%r, %r = zero()") ==
        "plan p: step 4 (%r, %r = zero): %r is written twice");
}

TEST_CASE("carries of a plan lie alike and don't cross", "[plan][verify]") {
  CHECK(error_with("yield %t, %r", "yield %r, %r") ==
        "plan p: step 5 (%s, %r = scan): carry %s and %r don't lie alike");
  CHECK(error_with("(%s = %s, %r = %r)", "(%s = %s, %r = %s)") ==
        "plan p: step 5 (%s, %r = scan): carry %r and %s don't lie alike");
  CHECK(error_where([](Plan& p) { scan_of(p).arguments[0] = SlotId{6}; }) ==
        "plan p: step 5 (%s, %r = scan): carry 0 is argument %t but output %s");
  CHECK(error_where([](Plan& p) { scan_of(p).yielded.pop_back(); }) ==
        "plan p: step 5 (%s, %r = scan): 3 inputs, 2 arguments, 2 outputs, 1 yielded");
  CHECK(error_where([](Plan& p) { scan_of(p).attributes = ScanAttributes{{2}}; }) ==
        "plan p: step 5 (%s, %r = scan): it ends once carry 2 of 2 stays as it is");
  CHECK(error_where([](Plan& p) { p.steps[0].body.emplace_back(); }) ==
        "plan p: step 1 (%s = load): it has a body; expected one of scan and loop alone");
  CHECK(error_where([](Plan& p) {
          Step& scan = scan_of(p);
          scan.outputs[1] = scan.arguments[1] = SlotId{6};
          scan.inputs[2] = scan.yielded[1] = SlotId{5};
        }) == "plan p: step 5 (%s, %t = scan): %t goes to %s, but is a carry that is written too");
}

TEST_CASE("slots of a plan live wherever they are used", "[plan][verify]") {
  const auto error = [](const std::string& from, const std::string& to) {
    return error_of([&] { verify(parse_plan(with(from, to), "p.rx")); });
  };
  CHECK(error("live 4 to 9", "live 5 to 9") == "plan p: slot %r is used at 4, but live 5 to 9");
  CHECK(error("live 1 to 10", "live 1 to 9") == "plan p: slot %s is used at 10, but live 1 to 9");
  CHECK(error("live 11 to 11", "live 10 to 10") == "plan p: slot %o is used at 11, but live 10 to 10");
  CHECK(error("live 6 to 8", "live 6 to 7") == "plan p: slot %t is used at 8, but live 6 to 7");
  // Its last use is in the body, but the next iteration reads it again.
  CHECK(error("live 3 to 8", "live 3 to 7") == "plan p: slot %q is used at 8, but live 3 to 7");
}

TEST_CASE("what a message lies on top of lies as it does, elsewhere", "[plan][verify]") {
  const std::string base = "slot %e : fix[B,4] field_rows live 0 to 99\nslot %n";
  const auto on_top = [&](const std::string& slot, const std::string& inputs,
                          const std::string& choice = "") {
    std::string text = with("slot %n", slot);
    const auto put = [&](const std::string& from, const std::string& to) {
      REQUIRE(text.find(from) != std::string::npos);
      text.replace(text.find(from), from.size(), to);
    };
    put("%r = zero()\n", "%e = zero()\n%r = copy(%e)" + choice + "\n");
    put("%t, %q)", "%t, %q" + inputs + ")");
    put(" whole from 3", choice + " whole from 3");
    return error_of([&] { verify(live_throughout(text)); });
  };
  CHECK(on_top(base, ", %e") == "no error");
  CHECK(on_top(base, ", %r") ==
        "plan p: step 8 (%r = follow): %r lies below what is added to it; expected other fields");
  CHECK(on_top(base, ", %e, %e") == "plan p: step 8 (%r = follow): 6 inputs; expected 5");
  CHECK(on_top(base, ", %t") == "plan p: step 8 (%r = follow): input 5 is %t in signs; expected field_rows");
  CHECK(on_top("slot %e : fix[B,5] field_rows live 0 to 99\nslot %n", ", %e") ==
        "plan p: step 5 (%r = copy): %e has shape [B,5], %r has [B,4]");
}

TEST_CASE("choices of a plan are legal", "[plan][verify]") {
  CHECK(error_with("whole from 3", "whole from 5") ==
        "plan p: step 7 (%r = follow): whole from 5; expected 0 to 4");
  CHECK(error_with("%t = sign(%r) {sign}", "%t = sign(%r) {sign} whole from 3") ==
        "plan p: step 6 (%t = sign): whole from 3; expected it of follow alone");
  CHECK(error_with("%W = load(%w)", "%W = load(%w) threads columns") ==
        "plan p: step 2 (%W = load): threads can't share it by columns");
  CHECK(error_with("%r = zero()", "%r = zero() threads columns") == "no error");
  CHECK(error_with("until unchanged(%s)", "until unchanged(%s) threads samples") ==
        "plan p: step 5 (%s, %r = scan): threads can't share it by samples");
  CHECK(error_with("%t = sign(%r) {sign}", "%t = sign(%r) {sign} threads columns") == "no error");
  CHECK(error_with("whole from 3", "threads columns whole from 3") ==
        "plan p: step 7 (%r = follow): threads can't share it by columns");
  CHECK(error_with("whole from 3", "threads senders whole from 3") ==
        "plan p: step 7 (%r = follow): input 1 is %r in field_rows; expected partial_rows");
  CHECK(error_with("%r : fix[B,4] field_rows", "%r : fix[B,4] partial_rows") ==
        "plan p: step 7 (%r = follow): input 1 is %r in partial_rows; expected field_rows");
}

}  // namespace relaxon
