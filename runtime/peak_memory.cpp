#include "runtime/peak_memory.hpp"

#include <sys/resource.h>

#include "core/error.hpp"

namespace relaxon {

std::int64_t peak_memory_bytes() {
  constexpr std::int64_t unit = 1024;  // Linux counts KiB
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) internal_error("getrusage refused to report on this process");
  return usage.ru_maxrss * unit;
}

}  // namespace relaxon
