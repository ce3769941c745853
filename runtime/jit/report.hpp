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

/// Whether this build can generate code.
bool available();

}  // namespace relaxon::jit
