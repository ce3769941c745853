// The graph: ops in an arena, values and blocks as integer ids. Immutable once built; passes build new ones.
//
// What each op computes, bit by bit, is in ir/SEMANTICS.md; name, arity, traits and typing rule of each kind are
// in the one table of ir/op_info.hpp.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/attributes.hpp"
#include "ir/type.hpp"

namespace relaxon {

enum class OpKind : std::uint8_t {
  input,
  param,
  constant,
  zeros,
  take,
  slice,
  affine,
  gate,
  subtract,
  add,
  to_fix,
  to_f32,
  message,
  majority,
  aggregate,
  threshold,
  update,
  error,
  correlate,
  apply,
  advance,
  hits,
  scan,
  loop,
  fuse,
  probe,
  yield,
  ret,
};

template <class Tag>
struct Id {
  std::int32_t index = -1;
  auto operator<=>(const Id&) const = default;
};
using ValueId = Id<struct ValueTag>;
using OpId = Id<struct OpTag>;
using BlockId = Id<struct BlockTag>;

struct Op {
  OpKind kind = OpKind::zeros;
  std::vector<ValueId> operands;
  std::vector<ValueId> results;
  Attributes attributes;
  std::optional<BlockId> body;  // scan, loop, fuse
  BlockId block;                // the block it stands in
};

/// Where a value comes from: the result of an op or an argument of a block.
struct Value {
  Type type;
  OpId op;          // index -1 for block arguments
  BlockId block;    // the block it is an argument of, or the block its op stands in
  std::string hint;  // name in the text form; not part of the graph's meaning
};

struct Block {
  std::vector<ValueId> arguments;
  std::vector<OpId> ops;  // in order; the last one is the terminator
  std::optional<OpId> owner;
};

/// A sparse pattern by name; which connections it has is bound at run time.
struct PatternDeclaration {
  std::string name;
  std::int64_t senders = 0, receivers = 0;
  bool fixed_diagonal = false;
  bool operator==(const PatternDeclaration&) const = default;
};

class Graph {
 public:
  const std::string& name() const { return name_; }
  /// F: fixed values are integers times 2^-F.
  int fixed_bits() const { return fixed_bits_; }
  BlockId body() const { return BlockId{0}; }

  const Op& op(OpId id) const { return ops_[static_cast<std::size_t>(id.index)]; }
  const Value& value(ValueId id) const { return values_[static_cast<std::size_t>(id.index)]; }
  const Type& type(ValueId id) const { return value(id).type; }
  const Block& block(BlockId id) const { return blocks_[static_cast<std::size_t>(id.index)]; }
  std::size_t op_count() const { return ops_.size(); }
  std::size_t value_count() const { return values_.size(); }
  std::size_t block_count() const { return blocks_.size(); }
  const std::vector<PatternDeclaration>& patterns() const { return patterns_; }
  std::vector<std::string> pattern_names() const;

  /// The op that defines a value; nullptr for block arguments.
  const Op* definition(ValueId id) const;
  /// The block that an op stands in.
  BlockId block_of(OpId id) const { return op(id).block; }
  const Op& terminator(BlockId id) const { return op(block(id).ops.back()); }
  /// input and param ops in order: what a caller binds.
  const std::vector<OpId>& bindings() const { return bindings_; }
  const BindingAttributes& binding(std::size_t index) const;
  /// Position in bindings() of a name; Error if there is none.
  std::size_t binding_index(std::string_view name) const;
  bool has_binding(std::string_view name) const;
  /// Names of the results, in the order of the return op.
  const std::vector<std::string>& result_names() const;
  std::size_t result_index(std::string_view name) const;
  bool has_result(std::string_view name) const;

  /// "%name : type" of a value, for messages.
  std::string describe(ValueId id) const;

 private:
  friend class GraphBuilder;
  friend class GraphSurgery;  // tests break graphs with it
  std::string name_;
  int fixed_bits_ = 20;
  std::vector<Op> ops_;
  std::vector<Value> values_;
  std::vector<Block> blocks_;
  std::vector<PatternDeclaration> patterns_;
  std::vector<OpId> bindings_;
};

/// Same structure, attributes and types, whatever the names of values.
bool equal(const Graph& a, const Graph& b);
/// The same of two bodies of one graph; values from outside them must be the same ones.
bool equal(const Graph& graph, BlockId a, BlockId b);

}  // namespace relaxon
