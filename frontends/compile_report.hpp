// What was compiled, for how long, and why.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "runtime/session.hpp"

namespace relaxon {

/// A paragraph a program: why it was made, the time of each stage, what of it came from the cache, which
/// steps run without generated code.
std::string to_text(const CompileReport& report);
/// {"programs":[{"name":..,"why":..,"stages":[{"stage":..,"ms":..}],"code":{..}}],"ms":..}; code is null
/// without backend jit.
nlohmann::ordered_json to_json(const CompileReport& report);

}  // namespace relaxon
