// The senders of two neighbouring entries of a sparse weight by one load.
#pragma once

#include <cstdint>

namespace relaxon {
namespace {

/// A load of an index counts as much as one of a register that is looked up with it, and a processor has few
/// of them a cycle.
struct SenderPair {
  explicit SenderPair(const std::int32_t* senders) {
    std::uint64_t both;
    __builtin_memcpy(&both, senders, sizeof both);
    first = static_cast<std::int64_t>(both & 0xffffffffu);
    second = static_cast<std::int64_t>(both >> 32);
  }
  std::int64_t first, second;
};

}  // namespace
}  // namespace relaxon
