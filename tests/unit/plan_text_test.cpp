#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "frontends/network_file.hpp"
#include "ir/text.hpp"
#include "passes/lower.hpp"
#include "passes/pipeline.hpp"
#include "passes/plan/plan.hpp"
#include "tests/support/files.hpp"
#include "tests/support/random_graph.hpp"

namespace relaxon {
namespace {

using testing::error_of;

/// Text in the printer's own form: parsing and printing gives it back letter by letter.
void check_stays(const std::string& text) {
  INFO(text);
  CHECK(print(parse_plan(text, "sample.rx")) == text);
}

void check_round_trip(const Plan& plan) {
  const std::string text = print(plan);
  const Plan again = parse_plan(text, "printed.rx");
  CHECK(again == plan);
  CHECK(print(again) == text);
}

const std::string head = R"(plan "p" fixed 20
pattern @1-0 [3,4]
pattern @1-1 [4,4] fixed_diagonal
slot %n : i32[] tensor live 0 to 3
slot %x : u8{0.003921569}[B,3] bytes live 0 to 9
slot %s : tern[B,4] signs live 1 to 2147483647
slot %s.1 "s" : pm1[B,4] signs live 1 to 2
slot %v "not a name" : two{1.0811388,-0.5}[B,4] pair live -1 to -1
slot %h : fix[B,4] fields live 4 to 5
slot %h.1 "h" : fix[B,4] field_rows live 4 to 5
slot %w : f32[3,4]{@1-0} columns live 0 to 9
slot %J : f32[4,4]{offdiag} dense live 0 to 9
)";

std::string error_in(const std::string& text) {
  return error_of([&] { (void)parse_plan(text, "p.rx"); });
}

/// The error of steps below the declarations; their first line is line 13.
std::string error_below(const std::string& steps) { return error_in(head + steps); }

Plan planned(const Graph& lowered) { return make_plan(optimise(lowered)); }

}  // namespace

TEST_CASE("steps of every kernel stay as they are", "[plan][text]") {
  check_stays("plan \"\" fixed 4\n");
  check_stays("plan \"\" fixed 4 threads 7\nslot %h : fix[B,4] partial_rows live 0 to 3\n");
  check_stays(head + "binding \"a name, with words\" %x\nbinding \"n\" %n\nresult \"x\" %x\n");
  constexpr std::string_view lines[] = {
      "%s = reference threshold(%h) {sign0} covers \"%t\" why \"interpreter: no kernel for this activation\"",
      "%s = reference majority(%x) {}",
      "%s = reference majority(%x) {kernel=2x2 padding=edge}",
      "%n = reference const() -3 : i32[]",
      "%h = reference const() 1e-05 : f32[]",
      "%J = reference update(%x, %s, %h) {softmax dense edge=1-0} : f32[3,4]{@1-0}",
      "%s = zero() : tern[B,4]",
      "%s = zero()",
      "%s = copy(%s.1) why \"%s is needed later\"",
      "%w = load param(%w) \"weight/1-0\" : f32[3,4]{@1-0}",
      "%w = load(%w)",
      "%w = store(%w)",
      "%h = turn(%h.1) why \"added to fields that lie so\"",
      "%n = slice(%n, %n, %n)",
      "%h = take_row(%n, %n)",
      "%x = gather(%x, %n)",
      "%n = gather_index(%n, %n)",
      "%w = quantise(%w) {dense edge=1-0 fixed}",
      "%w = quantise(%w) {dense edge=1-0 fixed} threads columns kept why \"updates keep it\"",
      "%h = exact(%s, %J) {dense edge=1-1 fixed}",
      "%h = real(%x, %w) {dense edge=1-0}",
      "%h = to_fields(%h)",
      "%h = to_reals(%h)",
      "%h = affine(%s, %n, %n)",
      "%h = sum(%h, %h)",
      "%s = sign(%h, %h) {sign}",
      "%v = margin(%h, %v, %n) {perceptron}",
      "%J = correlate(%s, %s) {dense edge=1-1} : f32[4,4]{offdiag}",
      "%J = subtract(%J, %J)",
      "%w, %J = apply(%w, %J, %w, %n) {momentum edge=1-0}",
      "%w = update(%w, %x, %v, %n) {sgd edge=1-0} after correlate {dense edge=1-0} : f32[3,4]{@1-0}",
      "%w = update(%w, %x, %v, %s, %s.1, %n) {sgd edge=1-0} after correlate {dense edge=1-0} : "
      "f32[3,4]{@1-0}",
      "%h = advance(%h, %s, %s.1, %J) {dense edge=1-1 fixed}",
      "%h = follow(%h, %s, %s.1, %J) {dense edge=1-1 fixed} threads senders why \"what changed\"",
      "%n = hits(%n, %h, %n)",
      "%s, %h = scan %n (%s = %s.1, %h = %h) until unchanged(%s) covers \"%s2\" {\n  yield %s.1, %h\n}",
      "scan %n () {\n  yield\n}",
      "%h = loop %n, %n (%h = %h) threads samples {\n  yield %h\n}",
      "%h = loop %n, %n (%h = %h) why \"batches\" {\n  %h = sum(%h)\n  scan %n () {\n    probe(%h) \"h\"\n   "
      " "
      "yield\n  }\n  yield %h\n}",
      "probe(%s) \"state/1\"",
  };
  std::string all = head;
  for (const std::string_view line : lines) {
    check_stays(head + std::string(line) + "\n");
    all += fmt::format("{}\n", line);
  }
  check_stays(all);
  for (const std::string_view kernel : kernel_names) {
    INFO(kernel);
    const auto names = [&](std::string_view line) {
      return line.find(fmt::format("{}(", kernel)) != line.npos ||
             line.find(fmt::format("{} ", kernel)) != line.npos;
    };
    CHECK(std::any_of(std::begin(lines), std::end(lines), names));
  }
  for (const std::string_view storage : storage_names) {
    check_stays(fmt::format("plan \"p\" fixed 20\nslot %a : f32[2,2] {} live 0 to 0\n", storage));
  }
}

TEST_CASE("slots that share a name keep it", "[plan][text]") {
  Plan plan;
  plan.name = "names";
  const Type type = make_type(Elem::f32, {});
  for (const std::string name : {"x", "x.1", "x", "", "two words", "v", "x"})
    plan.slots.push_back({name, type, Storage::tensor, 0, 0});
  CHECK(print(plan) ==
        "plan \"names\" fixed 20\n"
        "slot %x : f32[] tensor live 0 to 0\n"
        "slot %x.1 : f32[] tensor live 0 to 0\n"
        "slot %x.2 \"x\" : f32[] tensor live 0 to 0\n"
        "slot %v \"\" : f32[] tensor live 0 to 0\n"
        "slot %v.1 \"two words\" : f32[] tensor live 0 to 0\n"
        "slot %v.2 \"v\" : f32[] tensor live 0 to 0\n"
        "slot %x.3 \"x\" : f32[] tensor live 0 to 0\n");
  check_round_trip(plan);
  plan.slots[3].name = "a \"quote\"";
  CHECK(error_of([&] { (void)print(plan); }) ==
        "plan names: a name or note holds a quote or a control character");
}

TEST_CASE("plans of the published networks survive print and parse", "[plan][text]") {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(RELAXON_NETWORKS_DIR)) {
    if (entry.path().extension() != ".toml") continue;
    INFO(entry.path());
    ++files;
    const Network network = load_network_file(entry.path()).network;
    LowerOptions probes;
    probes.probes = true;
    check_round_trip(planned(lower_train_step(network, probes)));
    check_round_trip(planned(lower_train_epoch(network)));
    check_round_trip(planned(lower_evaluate_epoch(network)));
    check_round_trip(planned(lower_apply(network)));
    PassOptions unoptimised;
    unoptimised.selection = PassSelection::parse("none");
    check_round_trip(make_plan(optimise(lower_train_epoch(network), unoptimised)));
  }
  CHECK(files > 0);
}

TEST_CASE("plans of random graphs survive print and parse", "[plan][text]") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    check_round_trip(planned(testing::random_graph(seed)));
  }
}

TEST_CASE("errors in plans", "[plan][text]") {
  CHECK(error_in("") == "p.rx:1:1: expected 'plan', found the end");
  CHECK(error_in("plan p") == "p.rx:1:6: expected the plan's name in quotes, found 'p'");
  CHECK(error_in("plan \"p\" fixed 27") == "p.rx:1:16: the number of fixed bits is 27; expected 4 .. 26");
  CHECK(error_in("plan \"p\" fixed 20 pattern @a [2,3] fixed_diagonal") ==
        "p.rx:1:27: pattern @a has a diagonal but shape [2,3]");
  CHECK(error_in("plan \"p\" fixed 20\nslot x") == "p.rx:2:6: expected a slot's name, %name, found 'x'");
  CHECK(error_in("plan \"p\" fixed 20\nslot %x : f32[] heap") ==
        "p.rx:2:17: expected a storage, found 'heap'");
  CHECK(error_in("plan \"p\" fixed 20\nslot %x : f32[] tensor") ==
        "p.rx:2:23: expected 'live', found the end");
  CHECK(error_in("plan \"p\" fixed 20\nslot %x : f32[] tensor live -2 to 1") ==
        "p.rx:2:29: a position is -2; expected -1 .. 2147483647");
  CHECK(error_in("plan \"p\" fixed 20\nslot %x : f32[2,2]{@a} tensor live 0 to 0") ==
        "p.rx:2:20: pattern @a is not declared");
  CHECK(error_below("slot %x : f32[] tensor live 0 to 0") == "p.rx:13:6: slot %x is declared twice");
  CHECK(error_below("binding x %x") == "p.rx:13:9: expected a name in quotes, found 'x'");
  CHECK(error_below("binding \"x\" %y") == "p.rx:13:13: slot %y is not declared");
  CHECK(error_below("%s zero()") == "p.rx:13:4: expected '=', found 'zero'");
  CHECK(error_below("%s = zeros()") == "p.rx:13:6: unknown kernel 'zeros'");
  CHECK(error_below("%s = %x") == "p.rx:13:6: expected a kernel, found %x");
  CHECK(error_below("%s = reference(%x)") == "p.rx:13:15: expected an op, found '('");
  CHECK(error_below("%s = reference negate(%x)") == "p.rx:13:16: unknown op 'negate'");
  CHECK(error_below("%s = sum(%h, %y)") == "p.rx:13:14: slot %y is not declared");
  CHECK(error_below("%s = sum(%h %h)") == "p.rx:13:13: expected ')', found %h");
  CHECK(error_below("%s = sign(%h) {round}") ==
        "p.rx:13:16: expected an activation: sign, sign0, tanh or identity, found 'round'");
  CHECK(error_below("%J = correlate(%s, %s) {dense}") == "p.rx:13:31: expected ':', found the end");
  CHECK(error_below("%w = update(%w) {sgd} after") == "p.rx:13:28: expected an op, found the end");
  CHECK(error_below("%s = copy(%s) covers %s") == "p.rx:13:22: expected the values in quotes, found %s");
  CHECK(error_below("%s = copy(%s) why s") == "p.rx:13:19: expected the reason in quotes, found 's'");
  CHECK(error_below("%n = reference const() 1.5 : i32[]") == "p.rx:13:24: expected an integer, found '1.5'");
  CHECK(error_below("scan %n (%s = %s, %s = %s) {yield}") == "p.rx:13:19: %s is an argument twice");
  CHECK(error_below("scan %n (%s = %s) until unchanged(%h) {yield}") ==
        "p.rx:13:35: %h is not a carry of this scan");
  CHECK(error_below("%s = scan %n (%s = %s) {yield}") ==
        "p.rx:13:6: 1 carries, 1 outputs and 0 yielded slots; expected as many of each");
  CHECK(error_below("scan %n () {") == "p.rx:13:13: expected a kernel, found the end");
  CHECK(error_below("result \"x\" %x,") == "p.rx:13:14: expected a result or the end, found ','");
  std::string deep;
  for (int i = 0; i < 65; ++i) deep += "scan %n () {";
  CHECK(error_below(deep) == "p.rx:13:769: bodies are nested more than 64 deep");
}

/// Steps, without their attributes and what they cover, of the plan that a contrastive update becomes.
/// `free`, `clamped`: types of the correlations.
std::vector<std::string> steps_of_contrast(const std::string& inputs, const std::string& free,
                                           const std::string& clamped) {
  const std::string text = print(make_plan(optimise(parse("graph \"contrast\" fixed 20\n" + inputs +
                                                              R"(%x = input "x" : f32[4]
%J = param "J" : f32[3,4]
%m = param "m" : f32[3,4]
%F = correlate %s0, %v0 {dense edge=2-1} : )" + free + R"([3,4]
%C = correlate %s1, %v1 {dense edge=2-1} : )" + clamped + R"([3,4]
%S = subtract %C, %F
%J2, %m2 = apply %J, %m, %S, %x {momentum edge=2-1}
return "J" %J2, "m" %m2
)",
                                                          "contrast.rx"))));
  std::vector<std::string> steps;
  for (const std::string_view kernel : {"correlate", "subtract", "update", "apply"}) {
    for (std::size_t at = 0; (at = text.find(fmt::format("= {}(", kernel), at)) != text.npos; ++at) {
      const std::string line = text.substr(at + 2, text.find('\n', at) - at - 2);
      steps.push_back(line.substr(0, line.find(" covers")) + line.substr(line.find(" why")));
    }
  }
  return steps;
}

TEST_CASE("the update by two phases is one step", "[plan]") {
  const std::vector<std::string> one{
      "update(%J.1, %m.1, %s1.1, %v1.1, %s0.1, %v0.1, %x) {momentum edge=2-1} after correlate {dense "
      "edge=2-1} : f32[3,4] why \"S of two phases: entries and their difference never leave registers\""};
  CHECK(steps_of_contrast(R"(%s0 = input "s0" : tern[B,3]
%s1 = input "s1" : pm1[B,3]
%v0 = input "v0" : tern[B,4]
%v1 = input "v1" : tern[B,4]
)",
                          "i64", "i64") == one);
  CHECK(steps_of_contrast(R"(%s0 = input "s0" : f32[B,3]
%s1 = input "s1" : f32[B,3]
%v0 = input "v0" : two{1,-0.5}[B,4]
%v1 = input "v1" : two{1.5,-0.5}[B,4]
)",
                          "f32", "f32") == one);
}

TEST_CASE("phases whose senders lie otherwise are correlated one by one", "[plan]") {
  const std::string attributes =
      " {dense edge=2-1} : f32[3,4] why \"no kernel updates such a weight from such senders and errors\"";
  CHECK(steps_of_contrast(R"(%s0 = input "s0" : tern[B,3]
%s1 = input "s1" : f32[B,3]
%v0 = input "v0" : tern[B,4]
%v1 = input "v1" : tern[B,4]
)",
                          "i64", "f32") ==
        std::vector<std::string>{"correlate(%s1.1, %v1.1)" + attributes,
                                 "correlate(%s0.1, %v0.1)" + attributes,
                                 "subtract(%C, %F) why \"two phases' S\"",
                                 "apply(%J.1, %m.1, %S, %x) {momentum edge=2-1} why \"S is stored\""});
}

TEST_CASE("damaged plans give errors, never anything else", "[plan][text]") {
  const std::filesystem::path path = std::filesystem::path(RELAXON_NETWORKS_DIR) / "mnist_sparse.toml";
  const std::string text = print(planned(lower_train_step(load_network_file(path).network)));
  std::uint64_t state = 1;
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::string damaged = testing::mutated(text, state);
    try {
      const Plan plan = parse_plan(damaged, "damaged.rx");
      CHECK(parse_plan(print(plan), "again.rx") == plan);
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 0);
}

}  // namespace relaxon
