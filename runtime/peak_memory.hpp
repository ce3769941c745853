// How much memory the process has used.
#pragma once

#include <cstdint>

namespace relaxon {

/// The largest resident set of this process so far, in bytes.
std::int64_t peak_memory_bytes();

}  // namespace relaxon
