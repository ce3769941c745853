// Running passes on graphs given as text.
#pragma once

#include <string>
#include <string_view>

#include "ir/graph.hpp"

namespace relaxon::testing {

/// What a pass makes of a graph, as text. Both graphs are verified.
std::string transformed(Graph (*pass)(const Graph&), std::string_view text);

/// A graph as print() writes it.
std::string canonical(std::string_view text);

}  // namespace relaxon::testing
