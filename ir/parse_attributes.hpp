// Attributes and types in the text form.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ir/graph.hpp"
#include "ir/lexer.hpp"

namespace relaxon {

/// A type, e.g. "two{1.08,-0.5}[B,10]"; patterns are looked up by name.
Type parse_type(Lexer& lexer, const std::vector<PatternDeclaration>& patterns);

/// The braces after the operands of an op of `kind` (none if it has no attributes in braces).
Attributes parse_attributes(Lexer& lexer, OpKind kind);

}  // namespace relaxon
