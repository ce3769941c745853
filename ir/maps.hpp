// Shapes of maps and windows.
#pragma once

#include <array>

#include "ir/attributes.hpp"

namespace relaxon {

/// Padding in pixels before and after each spatial axis: kernel // 2 with a padding mode, else 0.
std::array<std::int64_t, 2> padding_of(Padding padding, std::array<std::int64_t, 2> kernel);

/// Shape of the message of a sender of shape `sender` (batch first) through a weight of shape `weight`.
/// Throws Error if they don't fit together.
Dims mapped_dims(const MapAttributes& map, const Dims& sender, const Dims& weight);

/// Shape of the majorities of `sender`. Throws Error.
Dims window_dims(const WindowAttributes& window, const Dims& sender);

}  // namespace relaxon
