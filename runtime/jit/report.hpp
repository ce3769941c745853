// How a program's machine code came about.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/stage_time.hpp"

namespace relaxon::jit {

struct CodeReport {
  std::int64_t functions = 0;
  std::int64_t made_before = 0;  // of these, for other plans of the session
  bool from_cache = false;
  std::string why;                    // why it had to be compiled; empty if it came from the cache
  std::vector<std::string> left_out;  // steps that the kernel table runs, "%m1-0: messages of ..."
  std::vector<StageTime> stages;      // look-up, generate, codegen, link
};

/// Where its functions come from: "found in the cache", "3 made before, the others compiled: not in the
/// cache".
std::string origin_of(const CodeReport& report);

/// Whether this build can generate code.
bool available();

}  // namespace relaxon::jit
