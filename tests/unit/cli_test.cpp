#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/file.hpp"
#include "ir/text.hpp"
#include "passes/plan/plan.hpp"
#include "tests/support/files.hpp"
#include "tests/support/process.hpp"

namespace relaxon {
namespace {

using nlohmann::json;
using testing::idx_file;
using testing::Process;
using testing::ProcessResult;
using testing::TemporaryFolder;
using testing::write_bytes;
using Words = std::vector<std::string>;

Words command(const Words& arguments) {
  Words words{RELAXON_CLI};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

ProcessResult relaxon_cli(const Words& arguments, std::string_view input = "", const std::string& out = "") {
  return testing::run(command(arguments), input, out);
}

/// The command must fail with this exit code, one line on standard error and nothing on standard output.
void check_refused(const Words& arguments, int status, const std::string& message) {
  const ProcessResult result = relaxon_cli(arguments);
  CAPTURE(arguments);
  CHECK(result.status == status);
  CHECK(result.err == "relaxon: " + message + "\n");
  CHECK(result.out.empty());
}

/// A folder with a small data set of 4 x 4 pixels and a network for it.
class Workplace {
 public:
  Workplace() {
    write_images("train", 60);
    write_images("t10k", 30);
    write_bytes(network(), R"([network]
sizes = [16, 12, 10]
seed = 1
[[edge]]
receiver = 1
sender = 0
module = "FullyConnected"
strength = 1
threshold = 1
[[edge]]
receiver = 1
sender = 1
module = "RecurrentDiscrete"
j_d = 0.5
threshold = 1
[[edge]]
receiver = 2
sender = 1
module = "FullyConnected"
strength = 1
threshold = 1
[[edge]]
receiver = 2
sender = 2
module = "OutputLayer"
[data]
name = "idx"
path = ")" + folder_.path().string() +
                               R"("
batch_size = 4
[schedule]
kind = "two-phase"
iterations = 2
[optimizer]
name = "adam"
lr = 0.01
[train]
epochs = 3
)");
  }

  std::string network() const { return folder_ / "net.toml"; }
  std::string operator/(std::string_view name) const { return folder_ / name; }

 private:
  void write_images(const std::string& part, std::uint32_t count) const {
    std::string pixels, classes;
    for (std::uint32_t i = 0; i < count; ++i) {
      classes.push_back(static_cast<char>(i * 7 % 10));
      for (std::uint32_t p = 0; p < 16; ++p)
        pixels.push_back(static_cast<char>((i * 31 + p * p * 17 + i * p) % 256));
    }
    write_bytes(folder_ / (part + "-images-idx3-ubyte"), idx_file(2051, {count, 4, 4}, pixels));
    write_bytes(folder_ / (part + "-labels-idx1-ubyte"), idx_file(2049, {count}, classes));
  }

  TemporaryFolder folder_;
};

/// The JSON lines of a command that must succeed.
std::vector<json> json_lines(const Words& arguments) {
  const ProcessResult result = relaxon_cli(arguments);
  CAPTURE(arguments, result.err);
  REQUIRE(result.status == 0);
  std::vector<json> lines;
  std::istringstream out(result.out);
  for (std::string line; std::getline(out, line);) lines.push_back(json::parse(line));
  REQUIRE_FALSE(lines.empty());
  return lines;
}

std::vector<std::string> keys_of(const json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;  // sorted, as json keeps them
}

TEST_CASE("probes of trainings and evaluations become files", "[cli]") {
  const Workplace place;
  const std::string out = place / "probed";
  const ProcessResult plain = relaxon_cli({"train", place.network(), "--epochs", "1"});
  const ProcessResult probed =
      relaxon_cli({"train", place.network(), "--epochs", "1", "--out", out, "--probe", "s1@1:every=s.npy",
                   "--probe", "weight/1-0", "--probe-from", "3", "--probe-steps", "2"});
  CHECK(probed.status == 0);
  const auto digest = [](const ProcessResult& r) { return r.out.substr(r.out.find("digest "), 23); };
  CHECK(digest(probed) == digest(plain));
  CHECK(std::filesystem::file_size(out + "/s.npy") == 128 + 2 * 8 * 12);
  CHECK(std::filesystem::exists(out + "/probes.safetensors"));
  const ProcessResult late =
      relaxon_cli({"train", place.network(), "--epochs", "1", "--probe", "s1", "--probe-from", "15"});
  CHECK(late.status == 0);
  CHECK(late.err == "relaxon: nothing is probed: the training has no batch 15\n");
  check_refused({"train", place.network(), "--probe", "s2"}, 1, "probe s2: expected a row 1 .. 1");
  const ProcessResult evaluated =
      relaxon_cli({"evaluate", place.network(), "--probe", "scores=" + (place / "scores.npy")});
  CHECK(evaluated.status == 0);
  CHECK(std::filesystem::file_size(place / "scores.npy") == 128 + 30 * 10 * 4);
}

TEST_CASE("explain measures what it runs", "[cli]") {
  const Workplace place;
  const json shown =
      json_lines({"explain", place.network(), "--analyze", "--json", "--after-steps", "2", "--steps", "3"})
          .at(0);
  for (const std::string what : {"train", "evaluate"}) {
    for (const json& step : shown[what]["steps"]) {
      CAPTURE(step.dump());
      CHECK(step["runs"].get<double>() >= 0);
      CHECK(step["measured_us"].get<double>() >= 0);
      CHECK(step.contains("roofline"));
      CHECK(step["estimated_us"].get<double>() >= 0);
    }
  }
  const auto seen_of = [](const json& list) {
    std::vector<std::string> seen;
    for (const json& o : list) seen.push_back(o["what"]);
    return seen;
  };
  CHECK(seen_of(shown["train"]["seen"]) ==
        std::vector<std::string>{"batches with fields in int64", "bounds of fields added up"});
  std::set<std::string> steps_saw;
  for (const json& step : shown["train"]["steps"]) {
    for (const std::string& what : seen_of(step["seen"]))
      steps_saw.insert(step["kernel"].get<std::string>() + ": " + what);
  }
  CHECK(steps_saw == std::set<std::string>{"follow: runs", "follow: senders that change",
                                           "scan: samples that move, by iteration",
                                           "scan: units that flip, by iteration",
                                           "update: columns without an error"});
  CHECK(shown["estimates"]["steps"].get<int>() > 20);
  const json plain = json_lines({"explain", place.network(), "--json"}).at(0);
  CHECK_FALSE(plain["train"]["steps"][0].contains("measured_us"));
  CHECK_FALSE(plain["train"].contains("seen"));
}

TEST_CASE("targets come from files, the command line and the environment", "[cli]") {
  const Workplace place;
  const auto target_of = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"explain", place.network(), "--json"});
    return json_lines(arguments).at(0)["target"];
  };
  CHECK(target_of({"--target", "cores=7 isa=avx2"})["cores"] == 7);
  CHECK(target_of({"--target", "cores=7 isa=avx2"})["isa"] == "avx2");
  write_file_atomically(place / "m.target", "# a machine\ncores=5\n");
  CHECK(target_of({"--target", place / "m.target"})["cores"] == 5);
  check_refused({"explain", place.network(), "--target", "cores=x"}, 1,
                "--target: cores: expected an integer in 1 .. 1024, found 'x'");
  const ProcessResult printed = relaxon_cli({"target"});
  CHECK(printed.status == 0);
  CHECK(printed.out.starts_with("cores="));
  const ProcessResult single = relaxon_cli({"plan", place.network(), "--target", "cores=1"});
  CHECK(single.status == 0);
  CHECK(single.out.find(" threads columns ") == std::string::npos);
}

TEST_CASE("compile reports say what was made, for how long and why", "[cli]") {
  const Workplace place;
  const json report = json_lines({"explain", place.network(), "--compile-report", "--json"}).at(0);
  CHECK(report["compiles"] == 2);
  for (const json& program : report["programs"]) {
    CHECK(program["why"] == "first use");
    std::vector<std::string> stages;
    for (const json& stage : program["stages"]) {
      CHECK(stage["ms"].get<double>() >= 0);
      stages.push_back(stage["stage"]);
    }
    CHECK(stages.front() == "lower");
    CHECK(stages.back() == "load");
    CHECK(std::find(stages.begin(), stages.end(), "plan") != stages.end());
  }
  const ProcessResult trained = relaxon_cli({"train", place.network(), "--epochs", "1", "--compile-report"});
  CHECK(trained.status == 0);
  CHECK(trained.out.starts_with("train: first use\n  lower "));
  CHECK(trained.out.find("\n2 programs, 0 from the cache, ") != std::string::npos);
}

TEST_CASE("check runs two backends in lock step", "[cli]") {
  const Workplace place;
  const ProcessResult agree = relaxon_cli({"check", place.network(), "--steps", "2"});
  CHECK(agree.status == 0);
  CHECK(agree.out.starts_with("kernels and interpreter agree in "));
  CHECK(agree.out.find(" values of 2 steps and an evaluation, digest ") != std::string::npos);
  const ProcessResult passes = relaxon_cli(
      {"check", place.network(), "--against", "kernels", "--against-opt", "none", "--steps", "1"});
  CHECK(passes.status == 0);
  CHECK(passes.out.starts_with("kernels and kernels with passes none agree in "));
  check_refused(
      {"check", place.network(), "--against", "gpu"}, 2,
      "--backend: gpu is not a backend; expected interpreter, kernels or jit (relaxon --help, relaxon "
      "COMMAND --help)");
}

TEST_CASE("probe prints a table of each analysis and leaves a picture", "[cli]") {
  const Workplace place;
  for (const std::string what : {"flips", "settled", "overlap", "fields", "leak"}) {
    CAPTURE(what);
    const std::string out = place / what;
    const ProcessResult result =
        relaxon_cli({"probe", place.network(), "--what", what, "--steps", "3", "--out", out});
    CHECK(result.status == 0);
    CHECK(result.err.empty());
    CHECK(std::ranges::count(result.out, '\n') >= 3);
    CHECK(read_file(out + "/" + what + ".svg").find("</svg>") != std::string::npos);
    CHECK(std::filesystem::exists(out + "/" + what + ".csv"));
  }
}

TEST_CASE("plans as JSON, pictures and changes", "[cli]") {
  const Workplace place;
  for (const std::string stage : {"lowered", "optimised", "planned"}) {
    CAPTURE(stage);
    const json shown = json_lines({"plan", place.network(), "--stage", stage, "--emit", "json"}).at(0);
    CHECK(shown["stage"] == stage);
    CHECK(shown["steps"].size() > 5);
    const ProcessResult picture = relaxon_cli({"plan", place.network(), "--stage", stage, "--emit", "svg"});
    CHECK(picture.status == 0);
    CHECK(picture.out.find("train, " + stage) != std::string::npos);
    CHECK(picture.out.ends_with("</svg>\n"));
  }
  const json after = json_lines({"plan", place.network(), "--after", "hoist", "--emit", "json"}).at(0);
  CHECK(after["stage"] == "after hoist");
  const ProcessResult changes = relaxon_cli({"plan", place.network(), "--print-after-all"});
  CHECK(changes.status == 0);
  CHECK(changes.out.starts_with("-- lowered, "));
  CHECK(changes.out.find("\n-- after hoist, ") != std::string::npos);
  CHECK(changes.out.find("\n-         %m1-0 = message") == std::string::npos);
  CHECK(changes.out.find("\n-     %m1-0 = message %x, %weight/1-0") != std::string::npos);
  CHECK(changes.out.find("\n-- planned\nplan \"train\"") != std::string::npos);
  check_refused(
      {"plan", place.network(), "--print-after-all", "--emit", "svg"}, 2,
      "--print-after-all goes with neither --emit nor --after (relaxon --help, relaxon COMMAND --help)");
  const ProcessResult missing = testing::run(
      {"/usr/bin/env", "PATH=/nonexistent", RELAXON_CLI, "plan", place.network(), "--emit", "svg"});
  CHECK(missing.status == 1);
  CHECK(missing.err == "relaxon: --emit svg: dot is not installed (Debian package graphviz)\n");
  CHECK(missing.out.empty());
}

TEST_CASE("lint prints a line a finding and says so by its exit code", "[cli]") {
  const Workplace place;
  const ProcessResult clean = relaxon_cli({"lint", place.network()});
  CHECK(clean.status == 0);
  CHECK(clean.out.empty());
  const ProcessResult faulty = relaxon_cli({"lint", place.network(), "--set", "edge.1-0.lr=0"});
  CHECK(faulty.status == 1);
  CHECK(faulty.out == "never-trains 1-0: its lr is 0; give it a lr, or a frozen module\n");
  CHECK(faulty.err.empty());
  const std::string allow = "lint.allow=[\"never-trains 1-0\"]";
  CHECK(relaxon_cli({"lint", place.network(), "--set", "edge.1-0.lr=0", "--set", allow}).status == 0);
  check_refused({"lint", place / "no.toml"}, 1, (place / "no.toml") + ": no such file");
}

TEST_CASE("version and help go to standard output", "[cli]") {
  const ProcessResult version = relaxon_cli({"--version"});
  CHECK(version.status == 0);
  CHECK(version.out == "relaxon 0.1.0\n");
  CHECK(version.err.empty());
  const ProcessResult help = relaxon_cli({"--help"});
  CHECK(help.status == 0);
  for (const char* name : {"train", "evaluate", "plan", "opt"})
    CHECK(help.out.find(name) != std::string::npos);
  const ProcessResult train = relaxon_cli({"train", "--help"});
  CHECK(train.status == 0);
  for (const char* name : {"--epochs", "--steps", "--threads", "--backend", "--seed", "--data-seed", "--data",
                           "--out", "--resume", "--set", "--json"}) {
    CHECK(train.out.find(name) != std::string::npos);
  }
}

TEST_CASE("wrong usage is one line and exit code 2", "[cli]") {
  const std::string network = std::string(RELAXON_NETWORKS_DIR) + "/mnist_dense.toml";
  const std::string hint = " (relaxon --help, relaxon COMMAND --help)";
  check_refused(
      {}, 2,
      "expected a command: train, evaluate, plan, explain, opt, bench, lint, probe, check or target" + hint);
  check_refused({"frobnicate"}, 2, "The following argument was not expected: frobnicate" + hint);
  check_refused({"train"}, 2, "FILE is required" + hint);
  check_refused({"train", network, "--frobnicate"}, 2,
                "The following argument was not expected: --frobnicate" + hint);
  check_refused({"train", network, "--backend", "abacus"}, 2,
                "--backend: abacus is not a backend; expected interpreter, kernels or jit" + hint);
  check_refused({"opt", "x.rx", "--passes", "cse,polish"}, 2,
                "--passes: passes: \"polish\" is not one; expected default, none, canonicalize, scan_carry, "
                "zeros, hoist, "
                "code_book, cse, dce, fuse_phase, advance, exit, fuse" +
                    hint);
  check_refused(
      {"train", network, "--opt", "default,-polish"}, 2,
      "--opt: passes: \"polish\" is not one; expected default, none, canonicalize, scan_carry, zeros, hoist, "
      "code_book, cse, dce, fuse_phase, advance, exit, fuse" +
          hint);
  for (const Words& arguments :
       {Words{"train", network, "--threads", "0"}, Words{"train", network, "--seed", "-1"},
        Words{"train", network, "--epochs", "-1"}, Words{"train", network, "--steps", "0"},
        Words{"plan", network, "--stage", "cooked"}, Words{"plan", network, "--what", "sleep"}}) {
    const ProcessResult result = relaxon_cli(arguments);
    CAPTURE(arguments, result.err);
    CHECK(result.status == 2);
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK(result.err.starts_with("relaxon: "));
    CHECK(result.out.empty());
  }
}

TEST_CASE("bad input is one line and exit code 1", "[cli]") {
  const Workplace place;
  check_refused({"train", place / "missing.toml"}, 1, place / "missing.toml: no such file");
  write_bytes(place / "two\nlines.toml", "[network]\n");
  check_refused({"train", place / "two\nlines.toml"}, 1,
                place / "two lines.toml:1: edge: expected a list of tables [[edge]], found nothing");
  check_refused(
      {"train", place.network(), "--set", "network.seed=x"}, 1,
      "--set network.seed=x: network.seed: expected an integer 0 .. 9223372036854775807, found \"x\"");
  check_refused({"train", place.network(), "--data", place / "nowhere"}, 1,
                place / "nowhere/train-images-idx3-ubyte: no such file, plain or .gz");
  check_refused(
      {"train", place.network(), "--set", "network.sizes=[15, 12, 10]"}, 1,
      place.network() + ": network.sizes: expected an input of size (16), as the data give, found (15)");
  check_refused({"evaluate", place.network(), "--checkpoint", place / "none"}, 1,
                place / "none: no such file");
  check_refused({"train", place.network(), "--resume", place / "none"}, 1,
                place / "none/checkpoint.safetensors: no such file");
  check_refused({"opt", place / "none.rx"}, 1, place / "none.rx: no such file");
}

TEST_CASE("bad input leaves no folder behind", "[cli]") {
  const Workplace place;
  const std::string out = place / "out";
  CHECK(relaxon_cli({"train", place.network(), "--out", out, "--set", "train.epochs=x"}).status == 1);
  CHECK(relaxon_cli({"train", place.network(), "--out", out, "--data", place / "nowhere"}).status == 1);
  CHECK_FALSE(std::filesystem::exists(out));
}

TEST_CASE("training prints its JSON lines", "[cli]") {
  const Workplace place;
  const auto lines = json_lines({"train", place.network(), "--json", "--epochs", "2"});
  REQUIRE(lines.size() == 4);
  CHECK(keys_of(lines[0]) == Words{"backend", "cache_hits", "compile_ms", "compiles", "event", "threads"});
  CHECK(lines[0]["event"] == "start");
  CHECK(lines[0]["backend"] == "kernels");
  for (int epoch : {1, 2}) {
    const json& line = lines[static_cast<std::size_t>(epoch)];
    CHECK(keys_of(line) == Words{"epoch", "eval_seconds", "event", "images_per_second", "seconds",
                                 "test_accuracy", "train_accuracy", "train_step_us"});
    CHECK(line["event"] == "epoch");
    CHECK(line["epoch"] == epoch);
  }
  CHECK(keys_of(lines[3]) == Words{"digest", "event", "peak_rss_mb", "test_accuracy"});
  CHECK(lines[3]["event"] == "end");
  CHECK(lines[3]["digest"].get<std::string>().find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(lines[3]["digest"].get<std::string>().size() == 16);
  CHECK(lines[3]["test_accuracy"] == lines[2]["test_accuracy"]);
}

TEST_CASE("a seed gives one digest, another seed another", "[cli]") {
  const Workplace place;
  const auto digest = [&](const Words& more) {
    Words words{"train", place.network(), "--json", "--epochs", "1"};
    words.insert(words.end(), more.begin(), more.end());
    return json_lines(words).back()["digest"];
  };
  CHECK(digest({}) == digest({}));
  CHECK(digest({"--seed", "2"}) == digest({"--set", "network.seed=2"}));
  CHECK(digest({"--seed", "2"}) != digest({}));
  CHECK(digest({"--data-seed", "2"}) != digest({}));
  CHECK(digest({"--steps", "3"}) != digest({}));
}

TEST_CASE("training leaves checkpoint, history and plot", "[cli]") {
  const Workplace place;
  const std::string out = place / "out";
  const ProcessResult result = relaxon_cli({"train", place.network(), "--out", out});
  CHECK(result.status == 0);
  CHECK(result.err.empty());
  CHECK(std::count(result.out.begin(), result.out.end(), '\n') == 4);
  for (const char* name : {"checkpoint.safetensors", "history.csv", "accuracy.svg"}) {
    CHECK(std::filesystem::exists(std::filesystem::path(out) / name));
  }
  CHECK(read_file(out + "/accuracy.svg").find("</svg>") != std::string::npos);
  check_refused({"train", place.network(), "--out", out}, 1,
                out + "/checkpoint.safetensors: there are results of another training; go on with --resume " +
                    out + " or remove them");
}

TEST_CASE("without gnuplot a line says so and the rest is there", "[cli]") {
  const Workplace place;
  const std::string out = place / "out";
  const ProcessResult result = testing::run(
      {"/usr/bin/env", "PATH=" + place / "nowhere", RELAXON_CLI, "train", place.network(), "--out", out});
  CHECK(result.status == 0);
  CHECK(result.err == "relaxon: no accuracy plot: gnuplot is not installed\n");
  CHECK(std::filesystem::exists(out + "/history.csv"));
  CHECK_FALSE(std::filesystem::exists(out + "/accuracy.svg"));
}

TEST_CASE("training that is stopped goes on to the same digest", "[cli]") {
  const Workplace place;
  const std::string out = place / "out";
  const Words training{"train", place.network(), "--json", "--epochs", "200"};
  const json whole = json_lines(training).back();
  for (const int number : {SIGINT, SIGTERM}) {
    std::filesystem::remove_all(out);
    Words interrupted = training;
    interrupted.insert(interrupted.end(), {"--out", out});
    Process process(command(interrupted));
    REQUIRE(process.wait_for("\"event\":\"epoch\""));
    process.signal(number);
    const ProcessResult result = process.wait();
    CHECK(result.status == 128 + number);
    CHECK(result.out.find("\"event\":\"end\"") == std::string::npos);
    CHECK(result.err.starts_with("relaxon: stopped after "));
    CHECK(result.err.ends_with("; go on with: relaxon train " + place.network() +
                               " --set train.epochs=200 --resume " + out + "\n"));
    CHECK(json_lines({"train", place.network(), "--json", "--epochs", "200", "--resume", out})
              .back()["digest"] == whole["digest"]);
  }
}

TEST_CASE("training that is stopped without a folder says that nothing is saved", "[cli]") {
  const Workplace place;
  Process process(command({"train", place.network(), "--epochs", "1000000"}));
  REQUIRE(process.wait_for("epoch 1/1000000"));
  process.signal(SIGTERM);
  const ProcessResult result = process.wait();
  CHECK(result.status == 128 + SIGTERM);
  CHECK(result.err.ends_with("; nothing is saved without --out\n"));
}

TEST_CASE("a checkpoint is evaluated to the accuracy that training reported", "[cli]") {
  const Workplace place;
  const std::string out = place / "out";
  const json end = json_lines({"train", place.network(), "--json", "--out", out}).back();
  const std::string checkpoint = out + "/checkpoint.safetensors";
  const json result = json_lines({"evaluate", place.network(), "--json", "--checkpoint", checkpoint}).back();
  CHECK(result["test_accuracy"] == end["test_accuracy"]);
  CHECK(result["digest"] == end["digest"]);
  const ProcessResult untrained = relaxon_cli({"evaluate", place.network()});
  CHECK(untrained.status == 0);
  CHECK(untrained.out.starts_with("test accuracy 0."));

  std::string damaged = read_file(checkpoint);
  damaged[damaged.size() - 1] = static_cast<char>(damaged[damaged.size() - 1] ^ 1);
  write_bytes(checkpoint, damaged);
  const ProcessResult refused = relaxon_cli({"evaluate", place.network(), "--checkpoint", checkpoint});
  CHECK(refused.status == 1);
  CHECK(refused.err.starts_with("relaxon: " + checkpoint + ": "));
  CHECK(std::count(refused.err.begin(), refused.err.end(), '\n') == 1);
}

TEST_CASE("graphs of every stage are IR text that opt prints as it is", "[cli]") {
  const Workplace place;
  for (const std::string what : {"train", "evaluate"}) {
    std::string lowered;
    for (const std::string stage : {"lowered", "optimised"}) {
      const ProcessResult plan = relaxon_cli({"plan", place.network(), "--what", what, "--stage", stage});
      CHECK(plan.status == 0);
      CHECK(plan.err.empty());
      CHECK(plan.out.starts_with("graph "));
      write_bytes(place / "plan.rx", plan.out);
      CHECK(relaxon_cli({"opt", place / "plan.rx", "--passes", ""}).out == plan.out);
      CHECK(relaxon_cli({"opt", "-", "--passes", ""}, plan.out).out == plan.out);
      if (stage == "lowered") lowered = plan.out;
      if (stage != "optimised") continue;
      // The passes of the command are those of the pipeline; only names of values may differ.
      CHECK(equal(parse(relaxon_cli({"opt", "-"}, lowered).out, "opt"), parse(plan.out, "plan")));
    }
  }
}

TEST_CASE("the planned stage is text that parses back", "[cli]") {
  const Workplace place;
  const ProcessResult plan = relaxon_cli({"plan", place.network()});
  CHECK(plan.status == 0);
  CHECK(print(parse_plan(plan.out, "plan")) == plan.out);
}

TEST_CASE("a graph can be seen after one pass, or after each", "[cli]") {
  const Workplace place;
  const ProcessResult hoisted = relaxon_cli({"plan", place.network(), "--after", "hoist"});
  CHECK(hoisted.status == 0);
  CHECK(hoisted.out.starts_with("graph "));
  CHECK(hoisted.out.find("advance") == std::string::npos);
  const std::string lowered = relaxon_cli({"plan", place.network(), "--stage", "lowered"}).out;
  const std::string all = relaxon_cli({"opt", "-", "--print-after-all"}, lowered).out;
  for (const char* pass : {"canonicalize", "hoist", "advance", "fuse"}) {
    CHECK(all.find(std::string("-- after ") + pass) != std::string::npos);
  }
}

TEST_CASE("IR text with an error is refused with its place", "[cli]") {
  const ProcessResult result = relaxon_cli({"opt", "-"}, "graph \"x\" fixed 20\n%a = frobnicate %b\n");
  CHECK(result.status == 1);
  CHECK(result.err.starts_with("relaxon: standard input:2:"));
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  CHECK(result.out.empty());
}

TEST_CASE("standard output that can't be written is reported", "[cli]") {
  const Workplace place;
  const ProcessResult result = relaxon_cli({"plan", place.network()}, "", "/dev/full");
  CHECK(result.status == 1);
  CHECK(result.err == "relaxon: standard output: No space left on device\n");
}

TEST_CASE("a reader that goes away ends the program quietly and saves the training", "[cli]") {
  const Workplace place;
  const std::string pipe = place / "pipe";
  const std::string out = place / "out";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  REQUIRE(reader >= 0);
  Process process(command({"train", place.network(), "--epochs", "1000000", "--out", out}), "", pipe);
  std::string line;
  while (line.empty() && !process.ended()) {
    char byte = 0;
    if (::read(reader, &byte, 1) == 1) line += byte;
  }
  ::close(reader);
  const ProcessResult result = process.wait();
  CHECK(result.status == 128 + SIGPIPE);
  CHECK(result.err.starts_with("relaxon: stopped after "));
  CHECK(std::filesystem::exists(out + "/checkpoint.safetensors"));
}

}  // namespace
}  // namespace relaxon
