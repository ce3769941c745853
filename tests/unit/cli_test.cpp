#include "tests/support/cli.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/files.hpp"

namespace relaxon {
namespace {

using nlohmann::json;
using testing::check_refused;
using testing::ProcessResult;
using testing::relaxon_cli;
using testing::Words;
using testing::Workplace;
using testing::write_bytes;

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
      {}, 2, "expected a command: train, evaluate, plan, explain, opt, bench, lint, probe, check or target" + hint);
  check_refused({"frobnicate"}, 2, "The following argument was not expected: frobnicate" + hint);
  check_refused({"train"}, 2, "FILE is required" + hint);
  check_refused({"train", network, "--frobnicate"}, 2,
                "The following argument was not expected: --frobnicate" + hint);
  check_refused({"train", network, "--backend", "abacus"}, 2,
                "--backend: abacus is not a backend; expected interpreter, kernels or jit" + hint);
  check_refused({"opt", "x.rx", "--passes", "cse,polish"}, 2,
                "--passes: passes: \"polish\" is not one; expected default, none, canonicalize, scan_carry, "
                "zeros, hoist, "
                "code_book, cse, dce, fuse_phase, advance, absorb, exit, fuse" +
                    hint);
  check_refused(
      {"train", network, "--opt", "default,-polish"}, 2,
      "--opt: passes: \"polish\" is not one; expected default, none, canonicalize, scan_carry, zeros, hoist, "
      "code_book, cse, dce, fuse_phase, advance, absorb, exit, fuse" +
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

TEST_CASE("standard output that can't be written is reported", "[cli]") {
  const Workplace place;
  const ProcessResult result = relaxon_cli({"plan", place.network()}, "", "/dev/full");
  CHECK(result.status == 1);
  CHECK(result.err == "relaxon: standard output: No space left on device\n");
}

}  // namespace
}  // namespace relaxon
