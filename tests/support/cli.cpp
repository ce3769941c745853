#include "tests/support/cli.hpp"

#include <catch2/catch.hpp>
#include <sstream>

namespace relaxon::testing {

using nlohmann::json;

Words command(const Words& arguments) {
  Words words{RELAXON_CLI};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

ProcessResult relaxon_cli(const Words& arguments, std::string_view input, const std::string& out) {
  return run(command(arguments), input, out);
}

void check_refused(const Words& arguments, int status, const std::string& message) {
  const ProcessResult result = relaxon_cli(arguments);
  CAPTURE(arguments);
  CHECK(result.status == status);
  CHECK(result.err == "relaxon: " + message + "\n");
  CHECK(result.out.empty());
}

Workplace::Workplace() {
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

void Workplace::write_images(const std::string& part, std::uint32_t count) const {
  std::string pixels, classes;
  for (std::uint32_t i = 0; i < count; ++i) {
    classes.push_back(static_cast<char>(i * 7 % 10));
    for (std::uint32_t p = 0; p < 16; ++p)
      pixels.push_back(static_cast<char>((i * 31 + p * p * 17 + i * p) % 256));
  }
  write_bytes(folder_ / (part + "-images-idx3-ubyte"), idx_file(2051, {count, 4, 4}, pixels));
  write_bytes(folder_ / (part + "-labels-idx1-ubyte"), idx_file(2049, {count}, classes));
}

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

}  // namespace relaxon::testing
