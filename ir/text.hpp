// The text form of graphs: print and parse are inverse up to names of values.
//
//     graph "train" fixed 20
//     pattern @1-1 [2000,2000] fixed_diagonal
//     %x = input "x" : u8{0.003921569}[B,784]
//     %n = input "iterations/0" : i32[]
//     %s2 = scan %n (%s = %s1) {
//       %h = message %s, %J {dense edge=1-1 fixed} : fix[B,2000]
//       ...
//       yield %t
//     } : tern[B,2000]
//     return "state/1" %s2
//
// `--` starts a comment. The type after `:` is what the op table infers; the parser compares the two. It is
// required where nothing determines it (input, param, const, zeros, update, correlate).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.hpp"

namespace relaxon {

std::string print(const Graph& graph);

/// What print() calls each value, "%h1.2", by the value's index.
std::vector<std::string> value_names(const Graph& graph);

/// Throws Error "file:line:column: ..." with what was expected and what was found.
Graph parse(std::string_view text, std::string_view file);

}  // namespace relaxon
