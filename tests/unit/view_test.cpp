#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

#include "frontends/network_file.hpp"
#include "frontends/view/diff.hpp"
#include "frontends/view/dot.hpp"
#include "frontends/view/json.hpp"
#include "ir/text.hpp"
#include "passes/lower.hpp"
#include "passes/pipeline.hpp"
#include "passes/plan/plan.hpp"
#include "tests/support/random_network.hpp"

namespace relaxon {
namespace {

using Json = nlohmann::ordered_json;

Network published(const std::string& name) {
  return load_network_file(std::filesystem::path(RELAXON_NETWORKS_DIR) / (name + ".toml")).network;
}

/// The lines of a text that say an op or a step.
std::vector<std::string> step_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    line.erase(0, line.find_first_not_of(' '));
    const bool other =
        std::ranges::any_of(std::vector<std::string>{"graph ", "plan ", "pattern ", "slot ", "binding ",
                                                     "result ", "return", "yield", "}"},
                            [&](const std::string& word) { return line.starts_with(word); });
    if (!other) lines.push_back(line);
  }
  return lines;
}

void flatten(const Json& steps, std::vector<Json>& all) {
  for (const Json& step : steps) {
    all.push_back(step);
    if (step.contains("body")) flatten(step["body"], all);
  }
}

/// What text and JSON put before a decision of the planner or of a pass.
const std::vector<std::pair<std::string, std::string>> decisions{{" threads ", "threads"},
                                                                 {" covers \"", "covers"},
                                                                 {" why \"", "why"},
                                                                 {" whole from ", "whole_from"},
                                                                 {" until unchanged(", "until_unchanged"}};

/// Step by step, the text says whatever the JSON does.
void check_same_content(const Json& json, const std::string& text) {
  std::vector<Json> steps;
  flatten(json["steps"], steps);
  const std::vector<std::string> lines = step_lines(text);
  REQUIRE(steps.size() == lines.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    CAPTURE(lines[i], steps[i].dump());
    const auto says = [&](const std::string& word) { return lines[i].find(word) != std::string::npos; };
    CHECK(says(steps[i]["kind"]));
    // And the JSON says whatever was decided.
    for (const auto& [words, key] : decisions) CHECK(says(words) == steps[i].contains(key));
    if (steps[i].contains("whole_from"))
      CHECK(says(fmt::format(" whole from {} ", steps[i]["whole_from"].get<int>())));
    for (const char* key : {"attributes", "covers", "why", "index", "threads"}) {
      if (steps[i].contains(key)) CHECK(says(steps[i][key]));
    }
    for (const char* key : {"results", "operands", "until_unchanged"}) {
      if (steps[i].contains(key)) {
        for (const Json& word : steps[i][key]) CHECK(says(word));
      }
    }
    if (steps[i].contains("carries")) {
      for (const Json& c : steps[i]["carries"])
        CHECK(says(c["name"].get<std::string>() + " = " + c["start"].get<std::string>()));
    }
  }
  for (const char* key : {"bindings", "results"}) {
    for (const Json& port : json[key]) {
      CHECK(text.find("\"" + port["name"].get<std::string>() + "\"") != std::string::npos);
      CHECK(text.find(port["value"].get<std::string>()) != std::string::npos);
    }
  }
}

/// Every edge joins two nodes that are drawn, and braces are balanced.
void check_drawing(const std::string& dot) {
  std::set<std::string> nodes;
  const std::regex node("^ *(n[0-9]+|\"result [^\"]*\") \\["), edge("^ *(n[0-9]+) -> (\"[^\"]*\") ");
  std::istringstream in(dot);
  std::vector<std::pair<std::string, std::string>> edges;
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (std::regex_search(line, match, node)) nodes.insert(match[1]);
    if (std::regex_search(line, match, edge)) edges.emplace_back(match[1], match[2]);
  }
  CHECK(edges.size() > 5);
  for (auto [from, to] : edges) {
    if (to.starts_with("\"n")) to = to.substr(1, to.size() - 2);
    CAPTURE(from, to);
    CHECK(nodes.contains(from));
    CHECK(nodes.contains(to));
  }
  CHECK(std::ranges::count(dot, '{') == std::ranges::count(dot, '}'));
}

bool has_line(const std::string& text, const std::string& pattern) {
  return std::regex_search(text, std::regex(pattern));
}

}  // namespace

TEST_CASE("JSON of each stage says what its text says", "[view]") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    INFO("seed " << seed);
    const Graph lowered = lower_train_epoch(testing::random_network(seed));
    const Graph optimised = optimise(lowered);
    const Plan plan = make_plan(optimised);
    check_same_content(to_json(outline(lowered, "lowered")), print(lowered));
    check_same_content(to_json(outline(optimised, "optimised")), print(optimised));
    check_same_content(to_json(outline(plan)), print(plan));
  }
}

TEST_CASE("JSON of a small graph", "[view]") {
  const Graph graph = parse(
      "graph \"g\" fixed 20\n%n = input \"n\" : i32[]\n%x = input \"x\" : tern[B,3]\n%w = param \"w\" : "
      "f32[3,3]\n"
      "%s = scan %n (%a = %x) until unchanged(%a) {\n%m = message %a, %w {dense edge=1-1 fixed} : fix[B,3]\n"
      "%t = threshold %m {sign} : pm1[B,3]\nyield %t\n} : tern[B,3]\nreturn \"state/1\" %s\n",
      "g.rx");
  CHECK(
      to_json(outline(graph, "lowered")).dump() ==
      R"({"stage":"lowered","name":"g","fixed_bits":20,"patterns":[],"bindings":[{"name":"n","value":"%n"},)"
      R"({"name":"x","value":"%x"},{"name":"w","value":"%w"}],"steps":[)"
      R"({"kind":"input","results":["%n"],"types":["i32[]"],"attributes":"\"n\""},)"
      R"({"kind":"input","results":["%x"],"types":["tern[B,3]"],"attributes":"\"x\""},)"
      R"({"kind":"param","results":["%w"],"types":["f32[3,3]"],"attributes":"\"w\""},)"
      R"({"kind":"scan","results":["%s"],"types":["tern[B,3]"],"operands":["%n"],"carries":[{"name":"%a",)"
      R"("start":"%x"}],"until_unchanged":["%a"],"body":[{"kind":"message","results":["%m"],"types":["fix[B,3]"],)"
      R"("operands":["%a","%w"],"attributes":"{dense edge=1-1 fixed}","edge":"1-1"},{"kind":"threshold",)"
      R"("results":["%t"],"types":["pm1[B,3]"],"operands":["%m"],"attributes":"{sign}"}],"yield":["%t"]}],)"
      R"("results":[{"name":"state/1","value":"%s"}]})");
}

TEST_CASE("pictures of each stage hold together", "[view]") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    INFO("seed " << seed);
    const Graph lowered = lower_train_epoch(testing::random_network(seed));
    check_drawing(to_dot(outline(lowered, "lowered")));
    check_drawing(to_dot(outline(optimise(lowered), "optimised")));
    check_drawing(to_dot(outline(make_plan(optimise(lowered)))));
  }
}

TEST_CASE("a picture shows what is hoisted, carried and fused", "[view]") {
  const Graph lowered = lower_train_epoch(published("mnist_sparse"));
  const std::string before = to_dot(outline(lowered, "lowered"));
  const std::string after = to_dot(outline(make_plan(optimise(lowered))));
  CHECK(has_line(before, "label=\"%iterations/0 iterations\""));
  CHECK(has_line(after, "label=\"%iterations/0 iterations, fewer once %s1 stays as it is\""));
  CHECK(has_line(after, "label=\"%steps batches\""));
  CHECK(has_line(after, "label=\"%m1-0.1\\\\nto_fields\".*peripheries=2"));
  CHECK_FALSE(has_line(before, "label=\"%m1-0\\\\nmessage 1-0\".*peripheries=2"));
  CHECK(has_line(after, "label=\"%r1-1\\\\ncarried\", shape=ellipse"));
  CHECK(has_line(after, "label=\"%s1.2\\\\nsign: aggregate \\+ threshold\".*penwidth=2.5"));
  CHECK(has_line(after, "label=\"%weight/1-0.1\\\\nupdate: correlate 1-0 \\+ apply 1-0\".*penwidth=2.5"));
  CHECK_FALSE(has_line(before, "penwidth=2.5, color=\"#333333\", tooltip"));
  CHECK(has_line(after,
                 "label=\"%r1-1\\\\nfollow 1-1\".*tooltip=\".*threads columns\\\\nwhole from [0-9]+\\\\n"));
  CHECK(has_line(after, "label=\"%iterations/0 iterations.*tooltip=\".*covers %s1 %r1-1"));
}

TEST_CASE("a diff shows what changed, not what was renumbered", "[view]") {
  CHECK(difference("a\nb\n", "a\nb\n").empty());
  CHECK(difference("%a.1 = add %x, %v.31\n", "%a.2 = add %x, %v.4\n").empty());
  CHECK(difference("%m1-0 = to_fix %x\n", "%m1-1 = to_fix %x\n") ==
        "- %m1-0 = to_fix %x\n+ %m1-1 = to_fix %x\n");
  CHECK(difference("1\n2\n3\n4\n5\n6\n7\n", "1\n2\n3\nx\n5\n6\n7\n") ==
        "  2\n  3\n- 4\n+ x\n  5\n  6\n  ...\n");
  CHECK(difference("", "a\n") == "+ a\n");
  CHECK(difference("a\n1\n2\n3\n4\n5\n6\nb\n", "1\n2\n3\n4\n5\n6\n") ==
        "- a\n  1\n  2\n  ...\n  5\n  6\n- b\n");
}

}  // namespace relaxon
