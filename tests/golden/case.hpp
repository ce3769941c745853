// A golden case and the functions that run one, by kind.
#pragma once

#include <filesystem>
#include <string>

#include "runtime/program.hpp"
#include "tests/golden/json_value.hpp"
#include "tests/golden/tensors.hpp"

namespace relaxon::golden {

struct Case {
  nlohmann::json document;
  Tensors tensors;

  JsonValue json() const { return JsonValue(document); }
};

/// Reads NAME.json and NAME.safetensors. Throws Error.
Case load_case(const std::filesystem::path& json_file);

/// Thrown where a case needs a module that this build doesn't have.
struct UnknownModule {
  std::string name;
};

/// Each throws Error at the first number that is wrong or the first thing that doesn't fit.
void run_rng_case(const Case& golden);
void run_module_case(const Case& golden, Backend backend);
void run_network_case(const Case& golden, Backend backend);
void run_scale_case(const Case& golden, Backend backend);

}  // namespace relaxon::golden
