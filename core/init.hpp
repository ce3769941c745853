// Initial weights (semantics: section 4).
//
// Every weight is a draw of normals over all d x K connections, scaled, masked, and given its diagonal. A
// sparse weight reads the same draw only where it is connected: nothing of size d x K ever exists.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/module.hpp"
#include "core/rng.hpp"
#include "core/weight.hpp"

namespace relaxon {

/// The initial weight of a module that has one and is valid for fan-in d and fan-out K (`validate`).
///
/// Sparse recurrent weights hold their diagonal as entries of a `fixed_diagonal` pattern. Throws Error,
/// starting with `where` (e.g. "edge 1-0"), beyond 2^31 - 1 connections or the layout's counters.
Weight initialise(const Module& module, std::int64_t d, std::int64_t K, Key key, RngLayout layout,
                  std::string_view where);

/// As initialise, with the given (d, K) normals in place of the key's own; masks still come from the key.
Weight initialise_from_normals(const Module& module, std::int64_t d, std::int64_t K,
                               std::span<const float> normals, Key key, RngLayout layout,
                               std::string_view where);

}  // namespace relaxon
