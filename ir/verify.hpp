// Checks that a graph keeps the promises that passes and executors rely on.
#pragma once

#include <cstdint>
#include <string_view>

#include "ir/graph.hpp"

namespace relaxon {

/// How far a graph has come. Each stage allows its own ops:
///
///     lowered    what `lower` makes: no add, correlate, advance, fuse; error for probes alone; no early exit of scans
///     optimised  every op but update, which canonicalize has split
enum class Stage : std::uint8_t { lowered, optimised };

std::string_view name_of(Stage stage);

/// Ids in range, every value defined once and before its use, one terminator at the end of each block, types
/// as the op table infers them. Throws Error that names the op and the value.
void verify(const Graph& graph);

/// verify(), and only ops that the stage allows.
void verify(const Graph& graph, Stage stage);

}  // namespace relaxon
