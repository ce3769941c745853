#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/file.hpp"
#include "runtime/program.hpp"
#include "tests/support/cli.hpp"
#include "tests/support/files.hpp"

namespace relaxon {
namespace {

using nlohmann::json;
using testing::check_refused;
using testing::command;
using testing::json_lines;
using testing::Process;
using testing::ProcessResult;
using testing::relaxon_cli;
using testing::Words;
using testing::Workplace;
using testing::write_bytes;

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

TEST_CASE("training prints its JSON lines", "[cli]") {
  const Workplace place;
  const auto lines = json_lines({"train", place.network(), "--json", "--epochs", "2"});
  REQUIRE(lines.size() == 4);
  CHECK(keys_of(lines[0]) == Words{"backend", "cache_hits", "compile_ms", "compiles", "event", "threads"});
  CHECK(lines[0]["event"] == "start");
  CHECK(lines[0]["backend"] == name_of(fastest_backend()));
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
