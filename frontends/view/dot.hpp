// Graphs and plans as pictures: text for Graphviz's dot, which lays them out.
//
// Scans and the loop over batches are boxes. Colours tell what an op is for; a double border what is computed
// once and read in every iteration; dashed blue what is carried from iteration to iteration; a bold border,
// or a box without a corner, what is fused.
#pragma once

#include <string>

#include "frontends/view/outline.hpp"

namespace relaxon {

std::string to_dot(const Outline& outline);

}  // namespace relaxon
