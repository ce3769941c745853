// The one table about op kinds: name, arity, traits, attributes and typing rule.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.hpp"

namespace relaxon {

/// What passes and executors may rely on.
namespace trait {
inline constexpr std::uint32_t source = 1u << 0;      // no operands: a binding or a constant
inline constexpr std::uint32_t linear = 1u << 1;      // zeros for operand 0 give zeros
inline constexpr std::uint32_t terminator = 1u << 2;  // ends a block
inline constexpr std::uint32_t region = 1u << 3;      // has a body
inline constexpr std::uint32_t effect = 1u << 4;      // must stay even if nothing uses it
inline constexpr std::uint32_t rows = 1u << 5;        // row b of the result depends on row b of operands with a batch
}  // namespace trait

/// What a typing rule sees of the graph around an op.
struct TypingContext {
  std::vector<Type> operands;
  const Attributes* attributes = nullptr;
  const std::vector<PatternDeclaration>* patterns = nullptr;
  /// Types that the body yields (scan, loop, fuse); of its arguments.
  std::vector<Type> yielded, arguments;
};

/// The result types of an op, or an Error that says what is wrong, starting with the op's name.
using TypingRule = std::vector<Type> (*)(const TypingContext&);

struct OpInfo {
  OpKind kind;
  std::string_view name;
  int min_operands, max_operands;  // max -1: any number
  std::uint32_t traits;
  std::size_t attributes;  // index of the alternative it carries
  TypingRule types;
};

const OpInfo& info(OpKind kind);
std::optional<OpKind> op_named(std::string_view name);
std::span<const OpInfo> all_ops();

inline bool has_trait(OpKind kind, std::uint32_t t) { return (info(kind).traits & t) != 0; }

/// Result types of an op; checks its arity, attributes and operand types first. Throws Error.
std::vector<Type> infer_types(OpKind kind, const TypingContext& context);

}  // namespace relaxon
