#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "core/error.hpp"
#include "frontends/network_file.hpp"
#include "ir/builder.hpp"
#include "ir/op_info.hpp"
#include "ir/text.hpp"
#include "ir/verify.hpp"
#include "passes/lower.hpp"
#include "tests/support/random_graph.hpp"

using namespace relaxon;

namespace {

/// Text in the printer's own form: parsing and printing gives it back letter by letter.
void check_stays(const std::string& text) {
  const Graph graph = parse(text, "sample.rx");
  CHECK(print(graph) == text);
  verify(graph);
}

/// A graph survives print and parse, and its text stays the same from then on.
void check_round_trip(const Graph& graph) {
  const std::string text = print(graph);
  const Graph again = parse(text, "printed.rx");
  CHECK(equal(graph, again));
  CHECK(print(again) == text);
}

/// A line of the text form for each op.
struct Sample {
  OpKind kind;
  std::string_view line;
};

constexpr std::string_view declarations = R"(graph "sample" fixed 20
pattern @1-0 [3,4]
pattern @1-1 [4,4] fixed_diagonal
%u = input "u" : u8{0.003921569}[B,3]
%t = input "t" : tern[B,4]
%p = input "p" : pm1[B,3]
%y = input "y" : two{1.0811388,-0.5}[B,4]
%h = input "h" : fix[B,4]
%g = input "g" : f32[B,1]
%f = input "f" : f32[B,4]
%m = input "m" : f32[4]
%c = input "c" : f32[9]
%a = input "a" : f32[]
%n = input "iterations/0" : i32[]
%o = input "o" : i32[M]
%k = input "k" : i32[B]
%z = input "z" : i64[]
%i = input "i" : f32[B,6,6,2]
%w = param "weight/1-0" : f32[3,4]
%J = param "J" : f32[4,4]{offdiag}
%s = param "s" : f32[3,4]{@1-0}
%r = param "r" : f32[4,4]{@1-1}
%e = param "e" : f32[3,3,1,2]{offdiag}
)";

constexpr Sample samples[] = {
    {OpKind::input, "%v = input \"v\" : i64[T,N,7]"},
    {OpKind::param, "%v = param \"a name, with words\" : f32[2,2]"},
    {OpKind::constant, "%v = const -3 : i32[]"},
    {OpKind::constant, "%v = const 1e-05 : f32[]"},
    {OpKind::constant, "%v = const 3.4028235e+38 : f32[]"},
    {OpKind::zeros, "%v = zeros : tern[B,4]"},
    {OpKind::take, "%v = take %y, %k : two{1.0811388,-0.5}[B,4]"},
    {OpKind::slice, "%v = slice %o, %n, %n : i32[B]"},
    {OpKind::affine, "%v = affine %u, %a, %a : f32[B,3]"},
    {OpKind::gate, "%v = gate %p, %g : f32[B,3]"},
    {OpKind::subtract, "%v = subtract %s, %s : f32[3,4]{@1-0}"},
    {OpKind::add, "%v = add %n, %n : i32[]"},
    {OpKind::to_fix, "%v = to_fix %f : fix[B,4]"},
    {OpKind::to_f32, "%v = to_f32 %h : f32[B,4]"},
    {OpKind::message, "%v = message %u, %w {dense} : f32[B,4]"},
    {OpKind::message, "%v = message %p, %s {dense edge=1-0 fixed} : fix[B,4]"},
    {OpKind::message, "%v = message %t, %m {diag edge=12-11} : f32[B,4]"},
    {OpKind::message,
     "%v = message %i, %e {conv stride=2x1 groups=2 padding=reflect edge=1-1} : f32[B,3,6,2]"},
    {OpKind::message, "%v = message %i, %a {repeat kernel=2x3 crop=1x0} : f32[B,10,18,2]"},
    {OpKind::message, "%v = message %i, %a {broadcast axes=3 shape=6,6,5,2} : f32[B,6,6,5,2]"},
    {OpKind::majority, "%v = majority %i {kernel=2x2 stride=2x2 padding=constant} : pm1[B,4,4,2]"},
    {OpKind::majority, "%v = majority %i : pm1[B,6,6,2]"},
    {OpKind::majority, "%v = majority %i {axes=1,2} : pm1[B,2]"},
    {OpKind::aggregate, "%v = aggregate %h, %h, %h : fix[B,4]"},
    {OpKind::threshold, "%v = threshold %h {sign} : pm1[B,4]"},
    {OpKind::threshold, "%v = threshold %h {sign0} : tern[B,4]"},
    {OpKind::threshold, "%v = threshold %f {tanh} : f32[B,4]"},
    {OpKind::threshold, "%v = threshold %h {identity} : fix[B,4]"},
    {OpKind::update, "%v = update %p, %t, %h, %m {perceptron dense edge=1-0} : i64[3,4]{@1-0}"},
    {OpKind::update, "%v = update %u, %y, %h {softmax dense} : f32[3,4]"},
    {OpKind::update, "%v = update %u, %y, %h, %a, %m {truncated dense} : f32[3,4]"},
    {OpKind::update, "%v = update %t, %t, %h, %a {strict dense} : i64[4,4]{offdiag}"},
    {OpKind::error, "%v = error %t, %h, %m {perceptron} : tern[B,4]"},
    {OpKind::error, "%v = error %y, %f, %a {tanh} : f32[B,4]"},
    {OpKind::correlate, "%v = correlate %t, %t {dense edge=1-1} : i64[4,4]{@1-1}"},
    {OpKind::correlate, "%v = correlate %i, %i {conv groups=2 padding=edge} : f32[3,3,1,2]{offdiag}"},
    {OpKind::correlate, "%v = correlate %t, %y {diag} : f32[4]"},
    {OpKind::apply,
     "%v, %v.1, %v.2 = apply %r, %r, %r, %r, %c {adam edge=1-1} : f32[4,4]{@1-1}, f32[4,4]{@1-1}, "
     "f32[4,4]{@1-1}"},
    {OpKind::advance, "%v = advance %h, %t, %t, %J {dense edge=1-1 fixed} : fix[B,4]"},
    {OpKind::hits, "%v = hits %z, %f, %k : i64[]"},
    {OpKind::scan, "%v = scan %n (%s1 = %t) until unchanged(%s1) {\n  yield %s1\n} : tern[B,4]"},
    {OpKind::scan, "scan %n () {\n  yield\n}"},
    {OpKind::loop,
     "%v, %q = for %n, %step (%x1 = %f, %x2 = %t) {\n  yield %x2, %x2\n} : f32[B,4], tern[B,4]"},
    {OpKind::fuse, "%v = fuse {\n  %x1 = threshold %h {sign} : pm1[B,4]\n  yield %x1\n} : pm1[B,4]"},
    {OpKind::probe, "probe \"state/0/1\" %t"},
    {OpKind::yield, "fuse {\n  yield\n}"},
    {OpKind::ret, "return \"scores\" %f, \"state/1\" %t"},
};

std::string sample_text(const Sample& sample) {
  std::string text(declarations);
  text += fmt::format("{}\n", sample.line);
  if (sample.kind != OpKind::ret) text += "return\n";
  return text;
}

}  // namespace

TEST_CASE("every op has a sample whose text stays as it is", "[ir][text]") {
  std::set<OpKind> seen;
  for (const Sample& sample : samples) {
    INFO(sample.line);
    check_stays(sample_text(sample));
    seen.insert(sample.kind);
  }
  for (const OpInfo& op : all_ops()) {
    INFO(op.name);
    CHECK(seen.contains(op.kind));
  }
}

TEST_CASE("every map, padding, activation, rule and optimizer has a name that reads back", "[ir][text]") {
  const std::string head(declarations);
  for (const std::string_view padding : padding_names) {
    if (padding == "none") continue;
    check_stays(
        fmt::format("{}%v = majority %i {{kernel=3x3 padding={}}} : pm1[B,6,6,2]\nreturn\n", head, padding));
  }
  for (const std::string_view activation : activation_names) {
    const Graph graph = parse(fmt::format("{}%v = threshold %f {{{}}}\nreturn\n", head, activation), "");
    check_round_trip(graph);
  }
  for (std::size_t rule = 0; rule < rule_names.size(); ++rule) {
    std::string margins;
    for (int i = 0; i < margins_of(static_cast<Rule>(rule)); ++i) margins += ", %m";
    check_round_trip(
        parse(fmt::format("{}%v = error %y, %h{} {{{}}}\nreturn\n", head, margins, rule_names[rule]), ""));
  }
  for (std::size_t rule = 0; rule < apply_names.size(); ++rule) {
    std::string moments, results;
    for (int i = 0; i < moments_of(static_cast<ApplyRule>(rule)); ++i) {
      moments += ", %w";
      results += fmt::format(", %m{}", i);
    }
    check_round_trip(
        parse(fmt::format("{}%q = input \"q\" : f32[{}]\n%v{} = apply %w{}, %w, %q {{{}}}\nreturn\n", head,
                          scalars_of(static_cast<ApplyRule>(rule)), results, moments, apply_names[rule]),
              ""));
  }
}

TEST_CASE("types after the colon may be left out where the op table has them", "[ir][text]") {
  const Graph with = parse(
      "graph \"g\" fixed 8\n%x = input \"x\" : f32[B,2]\n%h = to_fix %x : fix[B,2]\nreturn \"h\" %h\n", "");
  const Graph without =
      parse("graph \"g\" fixed 8 -- a comment\n%x=input\"x\":f32[B,2] %h=to_fix %x\nreturn\"h\"%h", "");
  CHECK(equal(with, without));
}

TEST_CASE("names of values don't matter and are made unique", "[ir][text]") {
  GraphBuilder b("names", 20);
  const ValueId first = b.constant(1);
  const ValueId second = b.constant(2);
  const ValueId third = b.constant(3);
  b.name(first, "x");
  b.name(second, "x");
  b.name(third, "not a name");
  const Graph graph = b.finish({first, second, third}, {"a", "b", "c"});
  CHECK(print(graph) ==
        "graph \"names\" fixed 20\n%x = const 1 : f32[]\n%x.1 = const 2 : f32[]\n%v.0 = const 3 : f32[]\n"
        "return \"a\" %x, \"b\" %x.1, \"c\" %v.0\n");
  CHECK(equal(graph,
              parse("graph \"names\" fixed 20 %p = const 1 : f32[] %q = const 2 : f32[] %r = const 3 : f32[]"
                    " return \"a\" %p, \"b\" %q, \"c\" %r",
                    "")));
}

TEST_CASE("graphs that differ in one place are not equal", "[ir][text]") {
  const std::string text =
      "graph \"g\" fixed 8\npattern @p [2,2]\n%x = input \"x\" : tern[B,2]\n%w = param \"w\" : f32[2,2]\n"
      "%h = message %x, %w {dense edge=1-0}\n%i = message %x, %w {dense edge=1-0}\n%k = aggregate %h, "
      "%i\nreturn \"k\" %k\n";
  const Graph graph = parse(text, "");
  const std::vector<std::pair<std::string, std::string>> changes{
      {"\"g\"", "\"f\""},
      {"fixed 8", "fixed 9"},
      {"@p [2,2]", "@p [2,3]"},
      {"\"x\" : tern", "\"x\" : pm1"},
      {"param \"w\"", "input \"w\""},
      {"%h = message %x, %w {dense edge=1-0}", "%h = message %x, %w {dense}"},
      {"aggregate %h, %i", "aggregate %i, %h"},
      {"aggregate %h, %i", "aggregate %h"},
      {"\"k\" %k", "\"j\" %k"},
      {"\"k\" %k", ""}};
  for (const auto& [from, to] : changes) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    INFO(changed);
    CHECK_FALSE(equal(graph, parse(changed, "")));
  }
}

TEST_CASE("random graphs survive print and parse", "[ir][text]") {
  std::set<OpKind> seen;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    INFO("seed " << seed);
    const Graph graph = testing::random_graph(seed);
    verify(graph);
    check_round_trip(graph);
    for (std::size_t i = 0; i < graph.op_count(); ++i)
      seen.insert(graph.op({static_cast<std::int32_t>(i)}).kind);
  }
  CHECK(seen.size() == all_ops().size());
}

TEST_CASE("lowered graphs of the published networks survive print and parse", "[ir][text]") {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(RELAXON_NETWORKS_DIR)) {
    if (entry.path().extension() != ".toml") continue;
    INFO(entry.path());
    ++files;
    const Network network = load_network_file(entry.path()).network;
    for (const bool probes : {false, true}) {
      LowerOptions options;
      options.probes = probes;
      check_round_trip(lower_train_step(network, options));
      check_round_trip(lower_evaluate_step(network, options));
    }
    check_round_trip(lower_train_epoch(network));
    check_round_trip(lower_evaluate_epoch(network));
    check_round_trip(lower_sweep(network, Filter::all));
    check_round_trip(lower_predict(network));
    check_round_trip(lower_backward(network, Filter::inference));
    check_round_trip(lower_apply(network));
  }
  CHECK(files > 0);
}

TEST_CASE("the example of the semantics page parses and verifies", "[ir][text]") {
  std::ifstream file(std::filesystem::path(RELAXON_NETWORKS_DIR) / "../../ir/SEMANTICS.md");
  std::stringstream page;
  page << file.rdbuf();
  const std::string text = page.str();
  const std::string fence = "```relaxon\n";
  const std::size_t begin = text.find(fence);
  REQUIRE(begin != std::string::npos);
  const std::string example =
      text.substr(begin + fence.size(), text.find("```", begin + 3) - begin - fence.size());
  check_stays(example);
  verify(parse(example, "SEMANTICS.md"), Stage::optimised);
}
