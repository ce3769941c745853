// What is bound to a graph, checked against its types.
#pragma once

#include <array>
#include <cstdint>

#include "ir/graph.hpp"
#include "runtime/program.hpp"

namespace relaxon {

/// Lengths that the symbols of a graph's types stand for, by letter; 0: not bound.
using Symbols = std::array<std::int64_t, 128>;

/// How values of a type are stored outside of plans (see Arguments).
DType stored_as(Elem elem);

/// Checks every argument against the type of its binding and every pattern against its declaration; symbols
/// take their lengths from the first argument that has them. Throws Error that names the binding.
Symbols check_arguments(const Graph& graph, const Arguments& arguments);

}  // namespace relaxon
