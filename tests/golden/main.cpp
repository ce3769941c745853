// golden DIR [--backend interpreter|kernels|jit|all]: runs every golden case of a directory.
//
// One line for each case that fails or is skipped, then "N passed, M failed" (", K skipped"). Exit code 0 if
// something passed and nothing failed, 1 otherwise, 2 for wrong usage.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/file.hpp"
#include "runtime/program.hpp"
#include "tests/golden/case.hpp"

namespace relaxon::golden {
namespace {

constexpr std::array backend_names{std::string_view("interpreter"), std::string_view("kernels"),
                                   std::string_view("jit")};

struct Options {
  std::filesystem::path directory;
  std::vector<Backend> backends;
};

/// Throws Error for wrong usage.
Options parse(const std::vector<std::string_view>& words) {
  constexpr std::string_view usage = "usage: golden DIR [--backend interpreter|kernels|jit|all]";
  const bool with_backend = words.size() == 3 && words[1] == "--backend";
  if ((words.size() != 1 && !with_backend) || words[0].starts_with('-')) fail("{}", usage);
  Options options{words[0], {}};
  const std::string_view wanted = with_backend ? words[2] : "all";
  const bool known = std::find(backend_names.begin(), backend_names.end(), wanted) != backend_names.end();
  if (!known && wanted != "all") fail("unknown backend \"{}\"; {}", wanted, usage);
  for (const std::string_view name : backend_names) {
    const auto backend = backend_named(name);
    if (backend && has_backend(*backend) && (wanted == "all" || wanted == name)) options.backends.push_back(*backend);
  }
  if (options.backends.empty()) fail("this build has no backend {}", wanted);
  return options;
}

void run(const Case& golden, Backend backend) {
  const JsonValue kind = golden.json().at("kind");
  const std::string name = kind.text();
  if (name == "rng") return run_rng_case(golden);
  if (name == "module") return run_module_case(golden, backend);
  if (name == "network") return run_network_case(golden, backend);
  if (name == "scale") return run_scale_case(golden, backend);
  kind.refuse("rng, module, network or scale");
}

struct Counts {
  int passed = 0, failed = 0, skipped = 0;
};

void run_file(const std::filesystem::path& file, const std::vector<Backend>& backends, Counts& counts) {
  const std::string name = file.stem().string();
  std::string where;
  const auto failed = [&](std::string message) {
    std::replace(message.begin(), message.end(), '\n', ' ');
    fmt::print("failed {}{}: {}\n", name, where, message);
    ++counts.failed;
  };
  try {
    const Case golden = load_case(file);
    for (const Backend backend : backends) {
      where = fmt::format(" ({})", name_of(backend));
      run(golden, backend);
    }
    ++counts.passed;
  } catch (const UnknownModule& module) {
    fmt::print("skipped {}: module {}\n", name, module.name);
    ++counts.skipped;
  } catch (const std::exception& error) {
    failed(error.what());
  }
  std::fflush(stdout);
}

/// The JSON files of a directory by name. Throws Error.
std::vector<std::filesystem::path> cases_in(const std::filesystem::path& directory) {
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  if (error) fail("{}: {}", directory.string(), error.message());
  std::sort(files.begin(), files.end());
  return files;
}

int run_all(const Options& options) {
  Counts counts;
  for (const auto& file : cases_in(options.directory)) run_file(file, options.backends, counts);
  const std::string skipped = counts.skipped > 0 ? fmt::format(", {} skipped", counts.skipped) : "";
  fmt::print("{} passed, {} failed{}\n", counts.passed, counts.failed, skipped);
  return counts.passed > 0 && counts.failed == 0 ? 0 : 1;
}

}  // namespace

Case load_case(const std::filesystem::path& json_file) {
  constexpr std::uint64_t largest = std::uint64_t{1} << 26;
  Case golden;
  golden.document = nlohmann::json::parse(read_file(json_file, largest));
  std::filesystem::path tensors = json_file;
  golden.tensors = Tensors(load_safetensors(tensors.replace_extension(".safetensors")));
  return golden;
}

}  // namespace relaxon::golden

int main(int argc, char** argv) {
  using namespace relaxon::golden;
  Options options;
  try {
    options = parse({argv + 1, argv + argc});
  } catch (const relaxon::Error& error) {
    fmt::print(stderr, "golden: {}\n", error.what());
    return 2;
  }
  try {
    return run_all(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "golden: {}\n", error.what());
    return 1;
  }
}
