// Other programs that draw for this one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace relaxon::cli {

struct ChildResult {
  std::optional<std::string> failure;  // what kept the program from running or succeeding
  std::string out;                     // what it wrote
};

/// Runs a program found on the PATH, with no shell in between, on `input`. What it says on standard error is
/// dropped. Throws Error if this process can't start another one.
ChildResult run_child(const std::vector<std::string>& command, std::string_view input);

}  // namespace relaxon::cli
