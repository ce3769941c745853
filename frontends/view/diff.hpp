// What a pass changed, as a person reads it.
#pragma once

#include <string>
#include <string_view>

namespace relaxon {

/// The lines of `after` that `before` lacks ("+ "), those it has lost ("- ") and two lines around them (" "),
/// from texts of two graphs. Lines that differ only in the numbers that make names unique (%h1.2, %v31) are
/// taken for the same. Empty if nothing differs.
std::string difference(std::string_view before, std::string_view after);

}  // namespace relaxon
