// Attributes in the text form; ir/parse_attributes.hpp reads them back.
#pragma once

#include <string>

#include "ir/attributes.hpp"

namespace relaxon {

/// The braces after the operands of an op, e.g. "{dense edge=1-1 fixed}"; empty if it has none or if all of
/// its settings are at their defaults.
std::string print_attributes(const Attributes& attributes);

}  // namespace relaxon
