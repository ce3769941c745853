#include <sys/wait.h>

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <string>

#include "core/file.hpp"
#include "core/safetensors.hpp"
#include "tests/support/files.hpp"

namespace relaxon {
namespace {

struct Outcome {
  int exit_code = -1;
  std::string output;  // both streams
};

Outcome run_golden(const std::string& arguments) {
  Outcome outcome;
  FILE* pipe = popen(fmt::format("'{}' {} 2>&1", RELAXON_GOLDEN, arguments).c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    outcome.output.append(buffer.data(), n);
  }
  const int status = pclose(pipe);
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  return outcome;
}

/// A copy of a case in which `change` alters the tensors.
template <class Change>
void copy_case(const testing::TemporaryFolder& folder, const std::string& name, Change&& change) {
  const std::string original = std::string(RELAXON_GOLDEN_DIR) + "/" + name;
  testing::write_bytes(folder / (name + ".json"), read_file(original + ".json"));
  Safetensors contents = load_safetensors(original + ".safetensors");
  change(contents.tensors);
  save_safetensors(folder / (name + ".safetensors"), contents);
}

TEST_CASE("The golden runner passes an unchanged case", "[golden]") {
  const testing::TemporaryFolder folder;
  copy_case(folder, "module_dense_batch1", [](auto&) {});
  const Outcome outcome = run_golden(folder.path().string() + " --backend interpreter");
  CHECK(outcome.output == "1 passed, 0 failed\n");
  CHECK(outcome.exit_code == 0);
}

TEST_CASE("The golden runner names the number that is wrong", "[golden]") {
  const testing::TemporaryFolder folder;
  copy_case(folder, "exact_last_batch", [](auto& tensors) {
    Tensor& fields = tensors.at("fields_i/0/1");
    fields.template data<std::int32_t>()[1] = 7;
  });
  const Outcome outcome = run_golden(folder.path().string() + " --backend interpreter");
  const std::string first_line = outcome.output.substr(0, outcome.output.find('\n'));
  CHECK_THAT(first_line,
             Catch::Matchers::StartsWith(
                 "failed exact_last_batch (interpreter): tensor fields_i/0/1 at (0, 1): expected 7, got "));
  CHECK_THAT(outcome.output, Catch::Matchers::EndsWith("\n0 passed, 1 failed\n"));
  CHECK(outcome.exit_code == 1);
}

TEST_CASE("The golden runner sees one unit in the last place of an exact weight", "[golden]") {
  const testing::TemporaryFolder folder;
  copy_case(folder, "exact_last_batch", [](auto& tensors) {
    float& weight = tensors.at("params/0/2-1").template data<float>()[0];
    weight = std::nextafter(weight, 100.0f);
  });
  const Outcome outcome = run_golden(folder.path().string());
  CHECK_THAT(outcome.output, Catch::Matchers::Contains("tensor params/0/2-1 at (0, 0): expected "));
  CHECK_THAT(outcome.output, Catch::Matchers::EndsWith("\n0 passed, 1 failed\n"));
  CHECK(outcome.exit_code == 1);
}

TEST_CASE("The golden runner fails a case that lacks a tensor or is no JSON", "[golden]") {
  const testing::TemporaryFolder folder;
  copy_case(folder, "module_dense_batch1", [](auto& tensors) { tensors.erase("D"); });
  copy_case(folder, "rng_original", [](auto&) {});
  testing::write_bytes(folder / "rng_original.json", "{");
  const Outcome outcome = run_golden(folder.path().string() + " --backend interpreter");
  CHECK_THAT(outcome.output,
             Catch::Matchers::StartsWith("failed module_dense_batch1 (interpreter): tensor D: missing\n"
                                         "failed rng_original: "));
  CHECK_THAT(outcome.output, Catch::Matchers::EndsWith("\n0 passed, 2 failed\n"));
  CHECK(outcome.exit_code == 1);
}

TEST_CASE("The golden runner skips modules that the build lacks and passes only if something ran",
          "[golden]") {
  const testing::TemporaryFolder folder;
  copy_case(folder, "module_dense_batch1", [](auto&) {});
  testing::write_bytes(folder / "module_dense_batch1.json",
                       R"({"kind": "module", "module": "Imaginary", "args": {}})");
  const Outcome outcome = run_golden(folder.path().string());
  CHECK(outcome.output == "skipped module_dense_batch1: module Imaginary\n0 passed, 0 failed, 1 skipped\n");
  CHECK(outcome.exit_code == 1);
}

TEST_CASE("The golden runner fails on an empty directory and on none", "[golden]") {
  const testing::TemporaryFolder folder;
  const Outcome empty = run_golden(folder.path().string());
  CHECK(empty.output == "0 passed, 0 failed\n");
  CHECK(empty.exit_code == 1);
  const Outcome missing = run_golden(folder / "none");
  CHECK(missing.output == fmt::format("golden: {}: No such file or directory\n", folder / "none"));
  CHECK(missing.exit_code == 1);
}

TEST_CASE("The golden runner refuses backends it doesn't know", "[golden]") {
  const Outcome outcome = run_golden(". --backend abacus");
  CHECK(outcome.output ==
        "golden: unknown backend \"abacus\"; usage: golden DIR [--backend interpreter|kernels|jit|all]\n");
  CHECK(outcome.exit_code == 2);
  CHECK(run_golden("").exit_code == 2);
}

}  // namespace
}  // namespace relaxon
