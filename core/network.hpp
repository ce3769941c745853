// A network as a user declares it: everything that lowering needs, as one plain value.
#pragma once

#include <cstdint>
#include <optional>

#include "core/layer_map.hpp"
#include "core/optimizer.hpp"
#include "core/rng.hpp"
#include "core/schedule.hpp"
#include "core/values.hpp"

namespace relaxon {

/// Limits of F, the number of fractional bits of exact fields (semantics: section 10).
inline constexpr int min_fixed_bits = 4;
inline constexpr int max_fixed_bits = 26;

struct Network {
  LayerMap map = {};
  Schedule schedule = {};
  OptimizerMap optimizer = {};
  Values input = Values::real();  // what buffer 0 is declared to hold
  Values label = Values::real();  // what the last buffer is declared to hold where labels are clamped
  std::uint64_t seed = 0;
  RngLayout rng = RngLayout::partitionable;
  std::optional<int> keys = {};  // keys = split(key(seed), keys); default: the number of edges
  int fixed_bits = 20;

  int key_count() const { return keys.value_or(static_cast<int>(map.edges().size())); }
  /// Checks all of it, before anything runs. Throws Error.
  void validate() const;
  bool operator==(const Network&) const = default;
};

}  // namespace relaxon
