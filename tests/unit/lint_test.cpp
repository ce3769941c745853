#include "frontends/lint/lint.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <set>

#include "core/file.hpp"
#include "tests/support/network_file_text.hpp"

namespace relaxon {
namespace {

using testing::parse;
using testing::with;
using Lines = std::vector<std::string>;

/// All findings in a network file, a line each.
Lines found_in(const std::string& text, const testing::Overrides& overrides = {}) {
  const NetworkFile file = parse(text, overrides);
  Lines lines;
  for (const Finding& finding : lint(file.network, file.lint.allow)) lines.push_back(to_string(finding));
  return lines;
}

Lines found_with(const testing::Overrides& overrides) { return found_in(testing::minimal, overrides); }

/// Ids and places of all findings.
std::set<std::string> ids_with(const std::string& text, const testing::Overrides& overrides = {}) {
  const Network network = parse(text, overrides).network;
  std::set<std::string> ids;
  for (const Finding& finding : lint(network)) ids.insert(finding.id + " " + finding.place);
  return ids;
}

/// The minimal network with another edge.
std::string with_edge(const std::string& edge) {
  return with("[data]\n", "[[edge]]\n" + edge + "\n[data]\n");
}

const std::string label_edge =
    "receiver = 1\nsender = 2\nmodule = \"FrozenFullyConnected\"\nstrength = 0.5\nthreshold = 0.0\n";

/// With the label's edge and a schedule of one's own, evaluated under the filter inference.
std::string with_phases(const std::string& phases) {
  std::string text = with_edge(label_edge);
  const std::size_t at = text.find(testing::two_phase);
  return text.replace(at, testing::two_phase.size(),
                      "kind = \"custom\"\nphases = [" + phases +
                          "]\nevaluate_phases = [{filter = \"inference\", iterations = 6}]\n");
}

/// Whether the text of `line` is among `lines`.
bool contains(const Lines& lines, const std::string& line) {
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

}  // namespace

TEST_CASE("a network without faults has no findings", "[lint]") {
  CHECK(found_in(testing::minimal) == Lines{});
  CHECK(found_in(with_edge(label_edge)) == Lines{});
}

TEST_CASE("lint is silent on the published networks", "[lint]") {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(RELAXON_NETWORKS_DIR)) {
    if (entry.path().extension() != ".toml") continue;
    INFO(entry.path());
    ++files;
    Lines lines;
    for (const Finding& f : lint(load_network_file(entry.path()).network)) lines.push_back(to_string(f));
    CHECK(lines == Lines{});
  }
  CHECK(files > 0);
}

TEST_CASE("edges that never train", "[lint]") {
  CHECK(found_with({"edge.1-0.lr=0"}) ==
        Lines{"never-trains 1-0: its lr is 0; give it a lr, or a frozen module"});
  CHECK(found_with({"edge.1-0.lr=1e-30", "optimizer.lr=1e-30"}) ==
        Lines{"never-trains 1-0: its lr times the optimizer's is 0 in float32; raise one of the two"});
  CHECK(found_with({"optimizer.lr=0"}).size() == 3);
  CHECK(found_with({"optimizer.lr=[0, 0.0]"}).front() ==
        "never-trains 1-0: its optimizer's lr is 0; give the optimizer a lr");
  CHECK(found_with({"optimizer.lr=[0, 0.1]"}) == Lines{});
  CHECK(found_with({"optimizer.lr={schedule=\"linear\", from=1.0, to=0.0, steps=10}"}) == Lines{});
  const std::string phases = "{filter = \"all\", iterations = 3}, {filter = \"inference\", iterations = 3}";
  CHECK(found_in(with_phases(phases)) == Lines{});
  CHECK(found_in(with_phases(phases + ", {update = [\"1-0\", \"2-1\"]}")) ==
        Lines{"never-trains 1-1: no update of the schedule names it; add \"1-1\" to an update"});
}

TEST_CASE("rates that go uphill", "[lint]") {
  CHECK(found_with({"edge.1-0.lr=-1"}) ==
        Lines{"negative-rate 1-0: its lr is negative, so updates go uphill; make it positive"});
  CHECK(found_with({"optimizer.edge.1-1.name=sgd", "optimizer.edge.1-1.lr=[0.1, -0.1]"}) ==
        Lines{"negative-rate 1-1: its optimizer's lr is negative, so updates go uphill; make it positive"});
  CHECK(found_with({"edge.1-0.lr=-1", "optimizer.edge.1-0.name=sgd", "optimizer.edge.1-0.lr=-0.1"}) ==
        Lines{});
}

TEST_CASE("optimizers of edges that never train", "[lint]") {
  CHECK(found_with({"optimizer.edge.1-0.name=adam", "optimizer.edge.1-0.lr=0.01", "edge.1-0.lr=0"}) ==
        Lines{"never-trains 1-0: its lr is 0; give it a lr, or a frozen module",
              "unused-optimizer 1-0: [optimizer.edge.\"1-0\"] has no effect: its lr is 0; remove it, or "
              "train the "
              "edge"});
  CHECK(found_with({"optimizer.edge.1-0.name=adam", "optimizer.edge.1-0.lr=0.01"}) == Lines{});
}

TEST_CASE("decays that rounding swallows", "[lint]") {
  // k = lr wd / sqrt(20) on edge 2-1.
  CHECK(found_with({"edge.2-1.weight_decay=1e-7"}) ==
        Lines{"decay-lost 2-1: a step's decay is 2.24e-08, below 2^-25: rounding to float32 undoes it; raise "
              "weight_decay, or leave it out"});
  CHECK(found_with({"edge.2-1.weight_decay=1e-6"}) ==
        Lines{"decay-quantised 2-1: a step's decay is 2.24e-07, below 2^-22: float32 rounds it to no or a "
              "few units "
              "in the last place; raise weight_decay, or leave it out"});
  CHECK(found_with({"edge.2-1.weight_decay=2e-6"}) == Lines{});
  CHECK(found_with({"optimizer.name=adamw", "optimizer.weight_decay=1e-8"}).size() == 3);
  CHECK(found_with({"optimizer.name=adamw", "optimizer.weight_decay=1e-3"}) == Lines{});
  CHECK(found_with({"optimizer.momentum=0.9", "edge.2-1.weight_decay=3e-7"}) == Lines{});
  CHECK(found_with({"optimizer.name=adam", "edge.2-1.weight_decay=1e-7"}) == Lines{});
}

TEST_CASE("decays that diverge", "[lint]") {
  CHECK(found_with({"edge.2-1.weight_decay=-1"}) == Lines{"decay-diverges 2-1: a step's decay is -0.224, so "
                                                          "weights grow; make weight_decay and lr positive"});
  CHECK(found_with({"edge.2-1.weight_decay=5"}) ==
        Lines{"decay-diverges 2-1: a step's decay is 1.12, so weights change sign at every step; lower "
              "weight_decay "
              "or lr"});
  CHECK(found_with({"edge.2-1.weight_decay=4"}) == Lines{});
}

TEST_CASE("labels in the free phase", "[lint]") {
  const std::string finding =
      "label-in-free-phase 1-2: the last phase before the read-out learns has the filter all, so the states "
      "hold the "
      "label, as in no evaluation; end with a phase of the filter inference";
  const std::string all = "{filter = \"all\", iterations = 3}",
                    free = "{filter = \"inference\", iterations = 3}";
  CHECK(found_in(with_phases(all)) == Lines{finding});
  CHECK(found_in(with_phases(free + ", " + all + ", " + all)) == Lines{finding});
  CHECK(found_in(with_phases(all + ", " + free)) == Lines{});
  CHECK(found_in(with_phases(free + ", " + all)) == Lines{});
  CHECK(found_in(with_phases(all + ", {update = [\"1-0\", \"1-1\"]}, " + free + ", {update = [\"2-1\"]}")) ==
        Lines{});
}

TEST_CASE("labels in the evaluation and in updates", "[lint]") {
  const std::string text =
      with_phases("{filter = \"all\", iterations = 3}, {filter = \"inference\", iterations = 3}");
  const std::string all = "schedule.evaluate_phases=[{filter=\"all\", iterations=2}]";
  CHECK(found_in(text, {all}) == Lines{"label-in-evaluation 1-2: an evaluation phase of the filter all keeps "
                                       "it, where there is no label: it "
                                       "sends 0; evaluate with the filter inference"});
  CHECK(found_in(text, {all, "edge.1-2.module=FrozenRescaledFullyConnected"}) ==
        Lines{"label-in-evaluation 1-2: an evaluation phase of the filter all keeps it, where there is no "
              "label: it "
              "sends the constant that 0 is rescaled to; evaluate with the filter inference"});
  CHECK(found_in(text, {"schedule.update_filter=all"}) ==
        Lines{"label-in-update 1-2: update_filter all keeps it, so updates judge fields that hold the label; "
              "use the "
              "update_filter inference"});
  CHECK(found_in(text, {"schedule.update_filter=forward"}) == Lines{});
}

TEST_CASE("phases without iterations", "[lint]") {
  const std::string clamped = "{filter = \"all\", iterations = 0}, {filter = \"inference\", iterations = 3}";
  CHECK(
      found_in(with_phases(clamped)) ==
      Lines{"empty-phase schedule: phase 0 (all) has 0 iterations and is the only one with edge 1-2; give it "
            "iterations, or remove the edges"});
  CHECK(found_in(with_phases("{filter = \"forward\", iterations = 3}, {filter = \"all\", iterations = 0}")) ==
        Lines{});
  const std::string free = "{filter = \"all\", iterations = 3}, {filter = \"inference\", iterations = 0}";
  CHECK(contains(
      found_in(with_phases(free)),
      "empty-phase schedule: phase 1 (inference) has 0 iterations, so updates see states that hold the "
      "label; give it iterations"));
  CHECK(
      found_with({"schedule.iterations=0", "schedule.evaluate=4"}) ==
      Lines{
          "empty-phase schedule: training has no iteration, so hidden rows stay 0 and edges from and to them "
          "never learn; train with at least 1 iteration"});
  CHECK(
      found_with({"schedule.evaluate=0"}) ==
      Lines{
          "empty-phase schedule: the evaluation has no iteration, so hidden rows stay 0 and every image gets "
          "class 0; evaluate with at least 1 iteration"});
}

TEST_CASE("edges that no phase keeps", "[lint]") {
  const std::string free = "{filter = \"inference\", iterations = 3}";
  CHECK(
      found_in(with_phases(free)) ==
      Lines{
          "unused-edge 1-2: no phase keeps its messages; add a phase whose filter does, or remove the edge"});
  CHECK(found_in(with_phases("{filter = \"all\", iterations = 3}, " + free)) == Lines{});
}

TEST_CASE("rows that nothing reaches or reads", "[lint]") {
  const std::string row =
      "receiver = 2\nsender = 2\nmodule = \"RecurrentDiscrete\"\nj_d = 0.5\nthreshold = 1\n";
  std::string text = with("sizes = [784, 20, 10]", "sizes = [784, 20, 12, 10]");
  const auto replace = [&](const std::string& before, const std::string& after) {
    text.replace(text.find(before), before.size(), after);
  };
  replace("receiver = 2\nsender = 2\nmodule = \"OutputLayer\"", row);
  replace("[data]\n", "[[edge]]\nreceiver = 3\nsender = 3\nmodule = \"OutputLayer\"\n\n[data]\n");
  const std::string read_out =
      "[[edge]]\nreceiver = 3\nsender = 1\nmodule = \"FullyConnected\"\nstrength = 1\nthreshold = 1\n";
  std::string dead_end = text;
  dead_end.replace(dead_end.find("[data]\n"), 0, read_out);
  CHECK(ids_with(dead_end) == std::set<std::string>{"unread-row 2-2"});
  std::string chain = dead_end;
  chain.replace(chain.find("receiver = 3\nsender = 1"), 23, "receiver = 3\nsender = 2");
  CHECK(ids_with(chain).empty());
  std::string cut = chain;
  cut.replace(cut.find("receiver = 2\nsender = 1"), 23, "receiver = 3\nsender = 1");
  CHECK(found_in(cut) ==
        Lines{"unreached-row 2-2: no message of the input reaches row 2 in the evaluation: it is the "
              "same for all images; add an edge from the input or from a row that it reaches"});
}

TEST_CASE("thresholds outside the range of the fields", "[lint]") {
  CHECK(ids_with(testing::minimal, {"edge.2-1.threshold=100"}) ==
        std::set<std::string>{"threshold-always-met 2-1"});
  CHECK(ids_with(testing::minimal, {"edge.2-1.threshold=-100"}) ==
        std::set<std::string>{"threshold-never-met 2-1"});
  CHECK(ids_with(testing::minimal, {"edge.1-0.threshold=1e4"}) ==
        std::set<std::string>{"threshold-always-met 1-0"});
  CHECK(ids_with(testing::minimal, {"edge.2-1.threshold=2.5"}).empty());
  const Lines lines = found_with({"edge.2-1.threshold=[1, 1, 1, -99, 1, 1, 1, 1, -99, 1]"});
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find(
            "threshold-never-met 2-1: the threshold -99 of unit 3 and 1 other is below all fields") == 0);
}

TEST_CASE("diagonals that freeze their units", "[lint]") {
  CHECK(ids_with(testing::minimal, {"edge.1-1.j_d=1000"}) == std::set<std::string>{"frozen-unit 1-1"});
  CHECK(found_with({"edge.1-1.j_d=1000"})[0].find(
            "after the first sweep the state never changes; bring j_d nearer "
            "to 0, or raise the strengths of the row") != std::string::npos);
  CHECK(found_with({"edge.1-1.j_d=-1000"})[0].find("after the first sweep the state flips in every sweep") !=
        std::string::npos);
  CHECK(ids_with(testing::minimal, {"edge.1-1.j_d=20"}).empty());
}

TEST_CASE("units and edges without connections", "[lint]") {
  const std::string sparse = with("module = \"FullyConnected\"\nstrength = 5.0",
                                  "module = \"SparseFullyConnected\"\nsparsity = 0.9\nstrength = 5.0");
  CHECK(ids_with(sparse).empty());
  const testing::Overrides alone{"edge.1-1.module=SparseRecurrentDiscrete", "edge.1-1.sparsity=0.9999",
                                 "edge.1-0.sparsity=0.999"};
  CHECK(ids_with(sparse, alone).contains("unit-without-input 1-1"));
  CHECK(ids_with(sparse, {"edge.1-0.sparsity=0.9999999"}).contains("silent-edge 1-0"));
  CHECK(ids_with(sparse, {"edge.1-0.sparsity=0"}) == std::set<std::string>{"sparse-but-dense 1-0"});
  CHECK(ids_with(with_edge(label_edge), {"edge.1-2.strength=0"}) == std::set<std::string>{"silent-edge 1-2"});
  CHECK(ids_with(testing::minimal, {"edge.2-1.strength=0", "edge.2-1.threshold=0"}).empty());
}

TEST_CASE("weights beyond what fields can hold", "[lint]") {
  CHECK(found_with({"network.fixed_bits=26", "edge.1-1.j_d=32", "edge.1-0.strength=50"}) ==
        Lines{"weight-too-large 1-1: an initial weight is 32; fields with 26 fractional bits hold weights "
              "below 32; "
              "lower strength or j_d, or network.fixed_bits"});
  CHECK(found_with({"network.fixed_bits=26", "edge.1-1.j_d=31", "edge.1-0.strength=50"}) == Lines{});
  CHECK(ids_with(testing::minimal, {"network.fixed_bits=4", "edge.1-0.strength=0.1"})
            .contains("weight-too-small 1-0"));
}

TEST_CASE("keys that two edges share", "[lint]") {
  CHECK(found_with({"edge.1-0.key=1"}) ==
        Lines{"shared-key 1-1: it draws its weight from key 1, as edge 1-0 does; give it a key of its own"});
  CHECK(found_with({"edge.1-0.key=3"}) == Lines{});
}

TEST_CASE("every finding can be seeded, is silenced by its id, and has a line in the docs", "[lint]") {
  const std::string all = "{filter = \"all\", iterations = 3}",
                    free = "{filter = \"inference\", iterations = 3}";
  const std::string sparse = with("module = \"FullyConnected\"\nstrength = 5.0",
                                  "module = \"SparseFullyConnected\"\nsparsity = 0.9\nstrength = 5.0");
  const std::string three_rows = with("sizes = [784, 20, 10]", "sizes = [784, 20, 12, 10]");
  const auto row_2 = [&](int sender, int read_by_output) {
    std::string text = three_rows;
    const auto replace = [&](const std::string& before, const std::string& after) {
      text.replace(text.find(before), before.size(), after);
    };
    replace("receiver = 2\nsender = 2\nmodule = \"OutputLayer\"",
            "receiver = 2\nsender = 2\nmodule = \"RecurrentDiscrete\"\nj_d = 0.5\nthreshold = 1\n");
    if (sender == 0) replace("receiver = 2\nsender = 1", "receiver = 3\nsender = 1");
    replace("[data]\n", fmt::format("[[edge]]\nreceiver = 3\nsender = 3\nmodule = \"OutputLayer\"\n[[edge]]\n"
                                    "receiver = 3\nsender = {}\nmodule = \"FullyConnected\"\nstrength = 1\n"
                                    "threshold = 1\n[data]\n",
                                    read_by_output));
    return text;
  };
  struct Fault {
    std::string id, text;
    testing::Overrides overrides;
  };
  const std::string& plain = testing::minimal;
  const std::vector<Fault> faults{
      {"never-trains", plain, {"edge.1-0.lr=0"}},
      {"negative-rate", plain, {"edge.1-0.lr=-1"}},
      {"unused-optimizer",
       plain,
       {"optimizer.edge.1-0.name=sgd", "optimizer.edge.1-0.lr=1", "edge.1-0.lr=0"}},
      {"decay-lost", plain, {"edge.2-1.weight_decay=1e-7"}},
      {"decay-quantised", plain, {"edge.2-1.weight_decay=1e-6"}},
      {"decay-diverges", plain, {"edge.2-1.weight_decay=5"}},
      {"label-in-free-phase", with_phases(all), {}},
      {"label-in-evaluation",
       with_phases(all + ", " + free),
       {"schedule.evaluate_phases=[{filter=\"all\", iterations=2}]"}},
      {"label-in-update", with_phases(all + ", " + free), {"schedule.update_filter=all"}},
      {"empty-phase", plain, {"schedule.evaluate=0"}},
      {"unused-edge", with_phases(free), {}},
      {"unreached-row", row_2(0, 2), {}},
      {"unread-row", row_2(1, 1), {}},
      {"threshold-never-met", plain, {"edge.2-1.threshold=-100"}},
      {"threshold-always-met", plain, {"edge.2-1.threshold=100"}},
      {"frozen-unit", plain, {"edge.1-1.j_d=1000"}},
      {"unit-without-input",
       sparse,
       {"edge.1-1.module=SparseRecurrentDiscrete", "edge.1-1.sparsity=0.9999", "edge.1-0.sparsity=0.999"}},
      {"silent-edge", sparse, {"edge.1-0.sparsity=0.9999999"}},
      {"weight-too-large", plain, {"network.fixed_bits=26", "edge.1-1.j_d=32", "edge.1-0.strength=50"}},
      {"weight-too-small", plain, {"network.fixed_bits=4", "edge.1-0.strength=0.1"}},
      {"shared-key", plain, {"edge.1-0.key=1"}},
      {"sparse-but-dense", sparse, {"edge.1-0.sparsity=0"}},
  };
  const std::string docs =
      read_file(std::filesystem::path(RELAXON_NETWORKS_DIR) / "../../frontends/lint/README.md");
  REQUIRE(faults.size() == lint_rules().size());
  for (std::size_t i = 0; i < faults.size(); ++i) {
    const Fault& fault = faults[i];
    CAPTURE(fault.id);
    CHECK(lint_rules()[i].id == fault.id);
    CHECK(docs.find("\n| " + fault.id + " | ") != std::string::npos);
    const auto has = [&](const Lines& lines) {
      return std::ranges::any_of(lines,
                                 [&](const std::string& line) { return line.starts_with(fault.id + " "); });
    };
    CHECK_FALSE(has(found_in(plain)));
    CHECK(has(found_in(fault.text, fault.overrides)));
    testing::Overrides allowed = fault.overrides;
    allowed.push_back(fmt::format("lint.allow=[\"{}\"]", fault.id));
    CHECK_FALSE(has(found_in(fault.text, allowed)));
  }
}

TEST_CASE("findings are silenced in the network file", "[lint]") {
  const std::string faulty = with("threshold = 1.0\n", "threshold = 1.0\nlr = 0\nkey = 1\n");
  CHECK(found_in(faulty).size() == 2);
  CHECK(found_in(faulty + "[lint]\nallow = [\"never-trains\"]\n").size() == 1);
  CHECK(found_in(faulty + "[lint]\nallow = [\"never-trains 1-0\", \"shared-key\"]\n") == Lines{});
  CHECK(found_in(faulty + "[lint]\nallow = [\"never-trains 1-1\"]\n").size() == 2);
  CHECK(found_in(faulty + "[lint]\n").size() == 2);
  const auto error = [](const std::string& lint) {
    const std::string message = testing::error_in(testing::minimal + lint);
    return message.substr(0, std::min(message.find(" (never-trains"), message.size()));
  };
  CHECK(error("[lint]\nallow = [\"never\"]\n") ==
        "net.toml:45: lint.allow[0]: expected the id of a finding, alone or with its edge");
  CHECK(error("[lint]\nallow = \"never-trains\"\n") ==
        "net.toml:45: lint.allow: expected a list of findings such as \"never-trains\" or \"never-trains "
        "1-0\", found "
        "\"never-trains\"");
  CHECK(error("[lint]\nallows = []\n") ==
        "net.toml:45: lint.allows: expected one of the keys allow, found an unknown key");
}

}  // namespace relaxon
