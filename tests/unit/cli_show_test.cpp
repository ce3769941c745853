#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/file.hpp"
#include "ir/text.hpp"
#include "passes/plan/plan.hpp"
#include "runtime/program.hpp"
#include "tests/support/cli.hpp"
#include "tests/support/files.hpp"

namespace relaxon {
namespace {

using nlohmann::json;
using testing::check_refused;
using testing::json_lines;
using testing::ProcessResult;
using testing::relaxon_cli;
using testing::Workplace;
using testing::write_bytes;

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

TEST_CASE("explain is about the backend, threads and passes that it is asked for", "[cli]") {
  const Workplace place;
  const auto explained = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"explain", place.network(), "--json"});
    return json_lines(arguments).at(0);
  };
  const auto kernels_of = [](const json& plan) {
    std::set<std::string> all;
    for (const json& step : plan["steps"]) all.insert(step["kernel"].get<std::string>());
    return all;
  };
  const json usual = explained({});
  CHECK(usual["backend"] == name_of(fastest_backend()));
  CHECK(usual["threads"] == 1);
  CHECK(kernels_of(usual["train"]).contains("follow"));
  const json asked = explained({"--backend", "kernels", "--threads", "3", "--opt", "default,-advance"});
  CHECK(asked["backend"] == "kernels");
  CHECK(asked["threads"] == 3);
  CHECK(asked["target"]["cores"] == 3);
  CHECK_FALSE(kernels_of(asked["train"]).contains("follow"));
  const json measured = explained({"--analyze", "--backend", "kernels", "--threads", "2", "--opt", "none",
                                   "--after-steps", "2", "--steps", "3"});
  CHECK(measured["threads"] == 2);
  CHECK(measured["train"]["steps"][0]["measured_us"].get<double>() >= 0);
  check_refused(
      {"explain", place.network(), "--backend", "interpreter"}, 2,
      "--backend: the interpreter runs no plan; expected kernels or jit (relaxon --help, relaxon COMMAND "
      "--help)");
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
  const ProcessResult trained =
      relaxon_cli({"train", place.network(), "--epochs", "1", "--backend", "kernels", "--compile-report"});
  CHECK(trained.status == 0);
  CHECK(trained.out.starts_with("train: first use\n  lower "));
  CHECK(trained.out.find("\n2 programs, 0 from the cache, ") != std::string::npos);
}

TEST_CASE("check runs two backends in lock step", "[cli]") {
  const Workplace place;
  const ProcessResult agree = relaxon_cli({"check", place.network(), "--steps", "2"});
  CHECK(agree.status == 0);
  CHECK(agree.out.starts_with(fmt::format("{} and interpreter agree in ", name_of(fastest_backend()))));
  CHECK(agree.out.find(" values of 2 steps and an evaluation, digest ") != std::string::npos);
  const ProcessResult passes = relaxon_cli({"check", place.network(), "--backend", "kernels", "--against",
                                            "kernels", "--against-opt", "none", "--steps", "1"});
  CHECK(passes.status == 0);
  CHECK(passes.out.starts_with("kernels and kernels with passes none agree in "));
  check_refused(
      {"check", place.network(), "--against-opt", "gpu"}, 2,
      "--against-opt: passes: \"gpu\" is not one; expected default, none, canonicalize, scan_carry, zeros, "
      "hoist, code_book, cse, dce, fuse_phase, advance, absorb, exit, fuse (relaxon --help, relaxon COMMAND "
      "--help)");
  check_refused(
      {"check", place.network(), "--against", "gpu"}, 2,
      "--against: gpu is not a backend; expected interpreter, kernels or jit (relaxon --help, relaxon "
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

}  // namespace
}  // namespace relaxon
