// What can be wrong with numbers while a graph runs; every backend says it in the same words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/layer_map.hpp"

namespace relaxon {

/// "edge 1-0: weight (3, 5)", the name of an entry in what follows.
std::string weight_entry(const std::optional<EdgeId>& edge, std::int64_t sender, std::int64_t receiver);

/// A weight of 2^(31-F) or more in magnitude, or NaN.
[[noreturn]] void fail_weight_limit(std::string_view entry, float weight, int fixed_bits);

/// A real-valued message outside int64.
[[noreturn]] void fail_message_limit(std::string_view value, float message, int fixed_bits);

/// A weight or moment that is no finite number after an update.
[[noreturn]] void fail_update(std::string_view entry, float weight, float m, float v);

}  // namespace relaxon
