// Which descendant of a key: the steps from a seed to the key that something is drawn from.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "core/rng.hpp"

namespace relaxon {

/// Child `index` of split(key, count).
struct SplitStep {
  std::int64_t count = 1;
  std::int64_t index = 0;
  bool operator==(const SplitStep&) const = default;
};

/// fold_in(key, data).
struct FoldInStep {
  std::uint32_t data = 0;
  bool operator==(const FoldInStep&) const = default;
};

using KeyPath = std::vector<std::variant<SplitStep, FoldInStep>>;

/// Checks that every split has the child asked for. Throws Error starting with `where` and the step's index.
void validate(const KeyPath& path, std::string_view where);

/// The key at the end of a valid path.
Key walk(Key key, const KeyPath& path, RngLayout layout);

}  // namespace relaxon
