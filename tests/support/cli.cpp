#include "tests/support/cli.hpp"

#include <catch2/catch.hpp>
#include <sstream>
#include <utility>

#include "tests/support/network_file_text.hpp"

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
  std::string text = minimal;
  const std::string data = "path = \"" + folder_.path().string() + "\"\nbatch_size = 4";
  for (const auto& [before, after] : std::vector<std::pair<std::string, std::string>>{
           {"sizes = [784, 20, 10]", "sizes = [16, 12, 10]"},
           {"strength = 5.0", "strength = 1"},
           {"name = \"fashion-mnist\"", "name = \"idx\"\n" + data},
           {"iterations = 3", "iterations = 2"},
           {"name = \"sgd\"\nlr = 1.0", "name = \"adam\"\nlr = 0.01"},
           {"epochs = 2", "epochs = 3"}})
    text = replaced(std::move(text), before, after);
  write_bytes(network(), text);
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
