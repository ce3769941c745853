#include "ir/builder.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "ir/lexer.hpp"
#include "ir/op_info.hpp"

namespace relaxon {

GraphBuilder::GraphBuilder(std::string name, int fixed_bits) {
  if (!is_quotable(name)) fail("a graph's name holds a quote or a control character");
  if (fixed_bits < 4 || fixed_bits > 26) fail("graph {}: fixed = {}; expected 4 .. 26", name, fixed_bits);
  graph_.name_ = std::move(name);
  graph_.fixed_bits_ = fixed_bits;
  graph_.blocks_.emplace_back();
  open_.push_back(BlockId{0});
}

PatternId GraphBuilder::pattern(PatternDeclaration declaration) {
  if (!is_name(declaration.name)) fail("a pattern is named \"{}\"; expected letters, digits and _ - / .", declaration.name);
  for (const PatternDeclaration& other : graph_.patterns_) {
    if (other.name == declaration.name) fail("pattern @{} is declared twice", declaration.name);
  }
  if (declaration.senders < 1 || declaration.receivers < 1) {
    fail("pattern @{} has shape [{},{}]; both must be at least 1", declaration.name, declaration.senders,
         declaration.receivers);
  }
  if (declaration.fixed_diagonal && declaration.senders != declaration.receivers) {
    fail("pattern @{} has a diagonal but shape [{},{}]", declaration.name, declaration.senders,
         declaration.receivers);
  }
  graph_.patterns_.push_back(std::move(declaration));
  return PatternId{static_cast<std::int32_t>(graph_.patterns_.size()) - 1};
}

ValueId GraphBuilder::new_value(Type type, OpId op, BlockId block) {
  graph_.values_.push_back({std::move(type), op, block, {}});
  return ValueId{static_cast<std::int32_t>(graph_.values_.size()) - 1};
}

OpId GraphBuilder::new_op(OpKind kind, std::vector<ValueId> operands, Attributes attributes) {
  if (open_.empty()) internal_error("graph {} is finished", graph_.name_);
  check_visible(kind, operands);
  graph_.ops_.push_back({kind, std::move(operands), {}, std::move(attributes), std::nullopt, open_.back()});
  return OpId{static_cast<std::int32_t>(graph_.ops_.size()) - 1};
}

void GraphBuilder::check_visible(OpKind kind, std::span<const ValueId> operands) const {
  for (const ValueId id : operands) {
    if (id.index < 0 || static_cast<std::size_t>(id.index) >= graph_.values_.size()) {
      internal_error("{}: operand {} is not a value of graph {}", info(kind).name, id.index, graph_.name_);
    }
    const BlockId home = graph_.value(id).block;
    if (std::find(open_.begin(), open_.end(), home) == open_.end()) {
      fail("{}: operand {} is defined in a body that has ended", info(kind).name, graph_.describe(id));
    }
  }
}

std::vector<Type> GraphBuilder::types_of(std::span<const ValueId> values) const {
  std::vector<Type> types;
  for (const ValueId id : values) types.push_back(graph_.type(id));
  return types;
}

std::vector<ValueId> GraphBuilder::add_results(OpId op, std::vector<Type> types) {
  const BlockId block = open_.back();
  std::vector<ValueId> results;
  for (Type& type : types) results.push_back(new_value(std::move(type), op, block));
  graph_.ops_[static_cast<std::size_t>(op.index)].results = results;
  return results;
}

std::vector<ValueId> GraphBuilder::append(OpKind kind, std::vector<ValueId> operands, Attributes attributes) {
  const OpInfo& op_info = info(kind);
  if ((op_info.traits & trait::region) != 0) internal_error("{} has a body: use begin and end", op_info.name);
  const OpId op = new_op(kind, std::move(operands), std::move(attributes));
  const Op& made = graph_.op(op);
  TypingContext context;
  context.operands = types_of(made.operands);
  context.attributes = &made.attributes;
  context.patterns = &graph_.patterns_;
  std::vector<Type> types = infer_types(kind, context);
  if (const auto* binding = std::get_if<BindingAttributes>(&made.attributes)) {
    if (inside_body()) fail("{}: \"{}\" stands in a body; bindings stand outside", op_info.name, binding->name);
    if (graph_.has_binding(binding->name)) fail("{}: two bindings are named \"{}\"", op_info.name, binding->name);
    graph_.bindings_.push_back(op);
  }
  graph_.blocks_[static_cast<std::size_t>(open_.back().index)].ops.push_back(op);
  return add_results(op, std::move(types));
}

ValueId GraphBuilder::one(OpKind kind, std::vector<ValueId> operands, Attributes attributes, std::string_view hint) {
  const std::vector<ValueId> results = append(kind, std::move(operands), std::move(attributes));
  if (results.size() != 1) internal_error("{} has {} results, not one", info(kind).name, results.size());
  name(results[0], hint);
  return results[0];
}

ValueId GraphBuilder::input(std::string_view name, Type type) {
  return one(OpKind::input, {}, BindingAttributes{std::string(name), std::move(type)}, name);
}

ValueId GraphBuilder::param(std::string_view name, Type type) {
  return one(OpKind::param, {}, BindingAttributes{std::string(name), std::move(type)}, name);
}

ValueId GraphBuilder::constant(float value) {
  return one(OpKind::constant, {}, ConstantAttributes{Elem::f32, value, 0});
}

ValueId GraphBuilder::zeros(Type type, std::string_view hint) {
  return one(OpKind::zeros, {}, TypeAttributes{std::move(type)}, hint);
}

std::vector<ValueId> GraphBuilder::begin(OpKind kind, std::vector<ValueId> operands, Attributes attributes) {
  const OpInfo& op_info = info(kind);
  if ((op_info.traits & trait::region) == 0) internal_error("{} has no body", op_info.name);
  if (static_cast<int>(operands.size()) < op_info.min_operands) {
    fail("{}: takes at least {} operands, got {}", op_info.name, op_info.min_operands, operands.size());
  }
  const OpId op = new_op(kind, std::move(operands), std::move(attributes));
  const BlockId body{static_cast<std::int32_t>(graph_.blocks_.size())};
  graph_.blocks_.push_back({{}, {}, op});
  graph_.ops_[static_cast<std::size_t>(op.index)].body = body;
  graph_.blocks_[static_cast<std::size_t>(open_.back().index)].ops.push_back(op);
  open_.push_back(body);
  std::vector<ValueId> arguments;
  if (kind == OpKind::loop) arguments.push_back(new_value(make_type(Elem::i32, {}), OpId{}, body));
  const std::vector<ValueId> inputs = graph_.op(op).operands;
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    arguments.push_back(new_value(graph_.type(inputs[i]), OpId{}, body));
  }
  graph_.blocks_.back().arguments = arguments;
  return arguments;
}

std::vector<ValueId> GraphBuilder::end(std::vector<ValueId> yielded) {
  if (!inside_body()) internal_error("graph {}: no body is open", graph_.name_);
  append(OpKind::yield, yielded);
  const Block& body = graph_.block(open_.back());
  const OpId op = *body.owner;
  TypingContext context;
  context.operands = types_of(graph_.op(op).operands);
  context.attributes = &graph_.op(op).attributes;
  context.patterns = &graph_.patterns_;
  context.yielded = types_of(yielded);
  context.arguments = types_of(body.arguments);
  std::vector<Type> types = infer_types(graph_.op(op).kind, context);
  open_.pop_back();
  return add_results(op, std::move(types));
}

Graph GraphBuilder::finish(std::vector<ValueId> results, std::vector<std::string> names) {
  if (inside_body()) internal_error("graph {}: a body is still open", graph_.name_);
  append(OpKind::ret, std::move(results), NamesAttributes{std::move(names)});
  open_.clear();
  return std::move(graph_);
}

void GraphBuilder::name(ValueId id, std::string_view hint) {
  if (!hint.empty()) graph_.values_[static_cast<std::size_t>(id.index)].hint = hint;
}

}  // namespace relaxon
