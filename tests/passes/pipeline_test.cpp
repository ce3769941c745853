#include "passes/pipeline.hpp"

#include <catch2/catch.hpp>

#include "ir/text.hpp"
#include "ir/verify.hpp"
#include "passes/lower.hpp"
#include "tests/support/files.hpp"
#include "tests/support/random_graph.hpp"
#include "tests/support/random_network.hpp"

namespace relaxon {
namespace {

using testing::error_of;

std::string names_of(const PassSelection& selection) {
  std::string names;
  for (const Pass* pass : selection.passes())
    names += fmt::format("{}{}", names.empty() ? "" : ",", pass->name);
  return names;
}

std::string parsed(std::string_view text) { return names_of(PassSelection::parse(text)); }

const std::string everything =
    "canonicalize,scan_carry,zeros,hoist,code_book,cse,dce,fuse_phase,advance,absorb,exit,fuse";

TEST_CASE("passes are chosen by name and run in one order", "[passes]") {
  CHECK(names_of(PassSelection()) == everything);
  CHECK(parsed("default") == everything);
  CHECK(PassSelection::parse("default") == PassSelection());
  CHECK(parsed("none") == "");
  CHECK(parsed("") == "");
  CHECK(parsed("cse,hoist") == "hoist,cse");
  CHECK(parsed("default,-advance,-exit") ==
        "canonicalize,scan_carry,zeros,hoist,code_book,cse,dce,fuse_phase,absorb,fuse");
  CHECK(PassSelection::parse("default,-dce").contains("cse"));
  CHECK_FALSE(PassSelection::parse("default,-dce").contains("dce"));
}

TEST_CASE("an unknown pass is an error that lists the known ones", "[passes]") {
  const std::string known =
      "expected default, none, canonicalize, scan_carry, zeros, hoist, code_book, cse, dce, fuse_phase, "
      "advance, absorb, exit, fuse";
  CHECK(error_of([] { PassSelection::parse("inline"); }) == "passes: \"inline\" is not one; " + known);
  CHECK(error_of([] { PassSelection::parse("default,-inline"); }) ==
        "passes: \"inline\" is not one; " + known);
  CHECK(error_of([] { PassSelection::parse("hoist,,cse"); }) == "passes: \"\" is not one; " + known);
}

constexpr std::string_view one_update = R"(graph "g" fixed 20
%x = input "x" : tern[B,3]
%t = input "t" : tern[B,2]
%h = input "h" : fix[B,2]
%k = input "k" : f32[2]
%S = update %x, %t, %h, %k {perceptron dense} : i64[3,2]
return "S" %S
)";

TEST_CASE("canonicalize always runs: optimised graphs have no update", "[passes]") {
  PassOptions options;
  options.selection = PassSelection::parse("none");
  CHECK_NOTHROW(verify(optimise(parse(one_update, "test"), options), Stage::optimised));
}

TEST_CASE("the observer sees the graph after each pass that changed it", "[passes]") {
  std::vector<std::string> seen;
  PassOptions options;
  options.observer = [&](const PassRecord& record, const Graph& graph) {
    seen.push_back(fmt::format("{} {} -> {}", record.name, record.ops_before, record.ops_after));
    CHECK(record.changed);
    CHECK(record.milliseconds >= 0);
    CHECK(record.ops_after == graph.op_count());
  };
  optimise(parse(one_update, "test"), options);
  CHECK(seen == std::vector<std::string>{"canonicalize 6 -> 7"});
}

TEST_CASE("optimising twice changes nothing more", "[passes]") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Network network = testing::random_network(seed, 9);
    INFO("seed " << seed << "\n" << testing::describe(network));
    const Graph once = optimise(lower_train_epoch(network));
    CHECK(print(optimise(once)) == print(once));
  }
}

TEST_CASE("passes make valid graphs of all valid graphs", "[passes]") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Graph graph = testing::random_graph(seed);
    for (const Pass& pass : all_passes()) {
      INFO("seed " << seed << ", pass " << pass.name);
      const Graph after = pass.run(graph);
      REQUIRE_NOTHROW(verify(after));
      REQUIRE(after.result_names() == graph.result_names());
      REQUIRE(after.bindings().size() == graph.bindings().size());
      REQUIRE(equal(parse(print(after), "test"), after));
    }
  }
}

}  // namespace
}  // namespace relaxon
