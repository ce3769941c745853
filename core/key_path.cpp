#include "core/key_path.hpp"

#include "core/error.hpp"

namespace relaxon {

void validate(const KeyPath& path, std::string_view where) {
  constexpr std::int64_t most = std::int64_t{1} << 31;  // two words a child, 32-bit counters
  for (std::size_t i = 0; i < path.size(); ++i) {
    const auto* split = std::get_if<SplitStep>(&path[i]);
    if (split == nullptr) continue;
    if (split->count < 1 || split->count > most) {
      fail("{}[{}]: expected a split into 1 .. {}, found {}", where, i, most, split->count);
    }
    if (split->index < 0 || split->index >= split->count) {
      fail("{}[{}]: expected child 0 .. {} of a split into {}, found {}", where, i, split->count - 1,
           split->count, split->index);
    }
  }
}

Key walk(Key key, const KeyPath& path, RngLayout layout) {
  for (const auto& step : path) {
    if (const auto* split = std::get_if<SplitStep>(&step)) {
      key = child(key, split->count, split->index, layout);
    } else {
      key = fold_in(key, std::get<FoldInStep>(step).data);
    }
  }
  return key;
}

}  // namespace relaxon
