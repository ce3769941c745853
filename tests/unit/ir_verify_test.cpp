#include <catch2/catch.hpp>
#include <utility>

#include "ir/text.hpp"
#include "ir/verify.hpp"
#include "tests/support/files.hpp"
#include "tests/support/graph_surgery.hpp"

using namespace relaxon;
using relaxon::testing::error_of;

namespace {

/// Values in order: %x 0, %w 1, %n 2, %h 3, %s 4 (the carry), %i 5, %t 6, %r 7.
/// Ops: input 0, param 1, input 2, message 3, scan 4, message 5, threshold 6, yield 7, return 8.
constexpr std::string_view sound = R"(graph "g" fixed 20
pattern @p [3,3]
%x = input "x" : tern[B,3]
%w = param "w" : f32[3,3]{@p}
%n = input "n" : i32[]
%h = message %x, %w {dense fixed}
%r = scan %n (%s = %x) {
  %i = message %s, %w {dense fixed}
  %t = threshold %i {sign}
  yield %t
}
return "r" %r, "h" %h
)";

constexpr OpId nowhere{99};

template <class Cut>
std::string after(Cut&& cut) {
  GraphSurgery surgery(parse(sound, "sound.rx"));
  verify(surgery.graph());
  cut(surgery);
  return error_of([&] { verify(surgery.graph()); });
}

std::string stage_error(std::string_view text, Stage stage) {
  const Graph graph = parse(text, "stage.rx");
  return error_of([&] { verify(graph, stage); });
}

}  // namespace

TEST_CASE("ids out of range", "[ir][verify]") {
  CHECK(after([](GraphSurgery& g) { g.blocks().clear(); }) == "graph g: it has no body");
  CHECK(after([](GraphSurgery& g) { g.block(0).ops[3] = nowhere; }) == "graph g: op 99 is out of range");
  CHECK(after([](GraphSurgery& g) { g.block(0).ops[3] = OpId{}; }) == "graph g: op -1 is out of range");
  CHECK(after([](GraphSurgery& g) { g.op(3).operands[0] = ValueId{8}; }) ==
        "graph g: message uses value 8, which is out of range");
  CHECK(after([](GraphSurgery& g) { g.op(3).operands[0] = ValueId{}; }) ==
        "graph g: message uses value -1, which is out of range");
  CHECK(after([](GraphSurgery& g) { g.op(3).results[0] = ValueId{-2}; }) ==
        "graph g: message defines value -2, which is out of range");
  CHECK(after([](GraphSurgery& g) { g.block(1).arguments[0] = ValueId{77}; }) ==
        "graph g: a block argument defines value 77, which is out of range");
  CHECK(after([](GraphSurgery& g) { g.op(4).body = BlockId{5}; }) ==
        "graph g: the body of scan is block 5, which is out of range");
  CHECK(after([](GraphSurgery& g) { g.op(4).body = BlockId{0}; }) ==
        "graph g: the body of scan is block 0, which is out of range");
  CHECK(after([](GraphSurgery& g) { g.value(1).type.entries.pattern.index = 3; }) ==
        "graph g: param gives f32[3,3]{@p}; its result is declared %w : f32[3,3]{an undeclared pattern}");
  CHECK(after([](GraphSurgery& g) { g.patterns().clear(); }) == "graph g: param: pattern 0 is not declared");
}

TEST_CASE("definitions and uses", "[ir][verify]") {
  CHECK(after([](GraphSurgery& g) { std::swap(g.block(0).ops[3], g.block(0).ops[0]); }) ==
        "graph g: message uses %x : tern[B,3] before its definition");
  CHECK(after([](GraphSurgery& g) { g.op(3).operands[0] = ValueId{3}; }) ==
        "graph g: message uses %h : fix[B,3] before its definition");
  CHECK(after([](GraphSurgery& g) { g.op(8).operands[0] = ValueId{6}; }) ==
        "graph g: return uses %t : pm1[B,3] before its definition");
  CHECK(after([](GraphSurgery& g) { g.op(8).operands[0] = ValueId{4}; }) ==
        "graph g: return uses %s : tern[B,3] before its definition");
  CHECK(after([](GraphSurgery& g) { g.op(3).results[0] = ValueId{0}; }) ==
        "graph g: message defines %x : tern[B,3] again");
  CHECK(after([](GraphSurgery& g) { g.block(1).arguments[0] = ValueId{0}; }) ==
        "graph g: a block argument defines %x : tern[B,3] again");
  CHECK(after([](GraphSurgery& g) { g.value(3).op = OpId{5}; }) ==
        "graph g: message defines %h : fix[B,3], which is recorded as defined elsewhere");
  CHECK(after([](GraphSurgery& g) { g.value(6).block = BlockId{0}; }) ==
        "graph g: threshold defines %t : pm1[B,3], which is recorded as defined elsewhere");
  CHECK(after([](GraphSurgery& g) { g.value(4).op = OpId{4}; }) ==
        "graph g: a block argument defines %s : tern[B,3], which is recorded as defined elsewhere");
  CHECK(after([](GraphSurgery& g) { g.block(0).ops.insert(g.block(0).ops.begin(), OpId{0}); }) ==
        "graph g: input stands in two places");
  CHECK(after([](GraphSurgery& g) { std::swap(g.bindings()[0], g.bindings()[1]); }) ==
        "graph g: bindings() must list its inputs and params in their order");
  CHECK(after([](GraphSurgery& g) { g.bindings().pop_back(); }) ==
        "graph g: bindings() must list its inputs and params in their order");
  CHECK(after([](GraphSurgery& g) {
          std::swap(g.block(1).ops[0], g.block(0).ops[2]);
          std::swap(g.op(5).block, g.op(2).block);
        }) == "graph g: message uses %s : tern[B,3] before its definition");
}

TEST_CASE("a binding in a body", "[ir][verify]") {
  GraphSurgery surgery(parse("graph \"g\" fixed 20 %x = input \"x\" : f32[] fuse { yield } return", ""));
  surgery.block(0).ops.erase(surgery.block(0).ops.begin());
  surgery.block(1).ops.insert(surgery.block(1).ops.begin(), OpId{0});
  CHECK(error_of([&] { verify(surgery.graph()); }) == "graph g: input stands in block 1, recorded is 0");
  surgery.op(0).block = BlockId{1};
  CHECK(error_of([&] { verify(surgery.graph()); }) ==
        "graph g: input stands in a body; bindings stand outside");
}

TEST_CASE("blocks and terminators", "[ir][verify]") {
  CHECK(after([](GraphSurgery& g) { g.block(0).ops.pop_back(); }) ==
        "graph g: scan stands at the end of a block");
  CHECK(after([](GraphSurgery& g) { g.block(1).ops.pop_back(); }) ==
        "graph g: threshold stands at the end of a block");
  CHECK(after([](GraphSurgery& g) { g.block(1).ops.clear(); }) ==
        "graph g: a block is empty; expected a terminator");
  CHECK(after([](GraphSurgery& g) { std::swap(g.block(1).ops[1], g.block(1).ops[2]); }) ==
        "graph g: yield stands inside a block");
  CHECK(after([](GraphSurgery& g) {
          std::swap(g.block(0).ops.back(), g.block(1).ops.back());
          std::swap(g.op(7).block, g.op(8).block);
        }) == "graph g: return ends the wrong block");
  CHECK(after([](GraphSurgery& g) { g.op(4).body.reset(); }) == "graph g: scan lacks a body");
  CHECK(after([](GraphSurgery& g) { g.op(3).body = BlockId{1}; }) == "graph g: message has a body");
  CHECK(after([](GraphSurgery& g) { g.block(1).owner = OpId{3}; }) == "graph g: scan doesn't own its body");
  CHECK(after([](GraphSurgery& g) { g.block(1).owner.reset(); }) == "graph g: scan doesn't own its body");
  CHECK(after([](GraphSurgery& g) { g.block(1).arguments.clear(); }) ==
        "graph g: message uses %s : tern[B,3] before its definition");
  CHECK(after([](GraphSurgery& g) { g.op(7).operands.clear(); }) ==
        "graph g: scan: carries 1 values, the body yields 0");
}

TEST_CASE("declared types", "[ir][verify]") {
  CHECK(after([](GraphSurgery& g) { g.value(3).type.elem = Elem::f32; }) ==
        "graph g: message gives fix[B,3]; its result is declared %h : f32[B,3]");
  CHECK(after([](GraphSurgery& g) { g.value(6).type.elem = Elem::tern; }) ==
        "graph g: threshold gives pm1[B,3]; its result is declared %t : tern[B,3]");
  CHECK(after([](GraphSurgery& g) { g.value(4).type.elem = Elem::pm1; }) ==
        "graph g: scan: carry 0 starts as tern[B,3], its argument is pm1[B,3]");
  CHECK(after([](GraphSurgery& g) { g.value(7).type.dims[1] = 4; }) ==
        "graph g: scan gives tern[B,3]; its result is declared %r : tern[B,4]");
  CHECK(after([](GraphSurgery& g) { g.value(0).type.dims[1] = 4; }) ==
        "graph g: input gives tern[B,3]; its result is declared %x : tern[B,4]");
  CHECK(after([](GraphSurgery& g) { g.op(3).results.clear(); }) ==
        "graph g: message has 0 results; expected 1");
  CHECK(after([](GraphSurgery& g) { g.op(6).kind = OpKind::hits; }) ==
        "graph g: hits: takes 3 operands, got 1");
}

TEST_CASE("a body that holds its own op doesn't go round for ever", "[ir][verify]") {
  const Graph graph = parse("graph \"g\" fixed 20 fuse { yield } return", "");
  GraphSurgery surgery(graph);
  auto& ops = surgery.block(1).ops;
  ops.insert(ops.begin(), OpId{surgery.find(OpKind::fuse)});
  CHECK(error_of([&] { verify(surgery.graph()); }) == "graph g: fuse stands in two places");
}

TEST_CASE("a graph that nobody built is refused", "[ir][verify]") {
  CHECK(error_of([] { verify(Graph{}); }) == "graph : it has no body");
}

TEST_CASE("each stage has its ops", "[ir][verify]") {
  const std::string head =
      "graph \"g\" fixed 20 %x = input \"x\" : tern[B,2] %h = input \"h\" : fix[B,2] %n = input \"n\" : i32[]"
      " %w = param \"w\" : f32[2,2] %m = input \"m\" : f32[] ";
  const std::string error = head + "%v = error %x, %h, %m {perceptron} return";
  const std::string correlate = head + "%v = correlate %x, %x {dense} : i64[2,2] return";
  const std::string advance = head + "%v = advance %h, %x, %x, %w {dense fixed} return";
  const std::string fuse = head + "fuse { yield } return";
  const std::string until = head + "%v = scan %n (%s = %x) until unchanged(%s) { yield %s } return";
  const std::string scan = head + "%v = scan %n (%s = %x) { yield %s } return";
  const std::string update = head + "%v = update %x, %x, %h, %m {perceptron dense} : i64[2,2] return";
  CHECK(stage_error(error, Stage::lowered) == "graph g: error is not allowed at stage lowered");
  const std::string probed = head + "%v = error %x, %h, %m {perceptron} probe \"v\" %v return";
  CHECK(stage_error(probed, Stage::lowered) == "no error");
  CHECK(stage_error(correlate, Stage::lowered) == "graph g: correlate is not allowed at stage lowered");
  CHECK(stage_error(advance, Stage::lowered) == "graph g: advance is not allowed at stage lowered");
  CHECK(stage_error(fuse, Stage::lowered) == "graph g: fuse is not allowed at stage lowered");
  CHECK(stage_error(until, Stage::lowered) ==
        "graph g: scan with an early exit is not allowed at stage lowered");
  CHECK(stage_error(scan, Stage::lowered) == "no error");
  CHECK(stage_error(update, Stage::lowered) == "no error");
  CHECK(stage_error(update, Stage::optimised) == "graph g: update is not allowed at stage optimised");
  for (const std::string& text : {error, correlate, advance, fuse, until, scan}) {
    CHECK(stage_error(text, Stage::optimised) == "no error");
  }
}
