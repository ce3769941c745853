#include "ir/verify.hpp"

#include "core/error.hpp"
#include "ir/op_info.hpp"

namespace relaxon {
namespace {

class Verifier {
 public:
  explicit Verifier(const Graph& graph) : graph_(graph), defined_(graph.value_count(), false), visible_(defined_) {}

  void block(BlockId id) {
    const Block& block = graph_.block(id);
    for (const ValueId argument : block.arguments) define(argument, "a block argument");
    if (block.ops.empty()) fail("graph {}: a block is empty; expected a terminator", graph_.name());
    for (std::size_t i = 0; i < block.ops.size(); ++i) {
      const OpId op = block.ops[i];
      if (op.index < 0 || static_cast<std::size_t>(op.index) >= graph_.op_count()) {
        fail("graph {}: op {} is out of range", graph_.name(), op.index);
      }
      const bool last = i + 1 == block.ops.size();
      const OpKind kind = graph_.op(op).kind;
      if (has_trait(kind, trait::terminator) != last) {
        fail("graph {}: {} stands {} a block", graph_.name(), info(kind).name, last ? "at the end of" : "inside");
      }
      if (last && (kind == OpKind::ret) != (id == graph_.body())) {
        fail("graph {}: {} ends the wrong block", graph_.name(), info(kind).name);
      }
      check(graph_.op(op), op);
    }
    // Values of this block are not visible after it.
    for (const ValueId argument : block.arguments) hide(argument);
    for (const OpId op : block.ops) {
      for (const ValueId result : graph_.op(op).results) hide(result);
    }
  }

 private:
  void hide(ValueId id) { visible_[static_cast<std::size_t>(id.index)] = false; }

  void define(ValueId id, std::string_view by) {
    if (id.index < 0 || static_cast<std::size_t>(id.index) >= graph_.value_count()) {
      fail("graph {}: {} defines value {}, which is out of range", graph_.name(), by, id.index);
    }
    if (defined_[static_cast<std::size_t>(id.index)]) fail("graph {}: {} defines {} again", graph_.name(), by, graph_.describe(id));
    defined_[static_cast<std::size_t>(id.index)] = true;
    visible_[static_cast<std::size_t>(id.index)] = true;
  }

  void check(const Op& op, OpId id) {
    const std::string_view name = info(op.kind).name;
    TypingContext context;
    for (const ValueId operand : op.operands) {
      if (operand.index < 0 || static_cast<std::size_t>(operand.index) >= graph_.value_count()) {
        fail("graph {}: {} uses value {}, which is out of range", graph_.name(), name, operand.index);
      }
      if (!visible_[static_cast<std::size_t>(operand.index)]) {
        fail("graph {}: {} uses {} before its definition", graph_.name(), name, graph_.describe(operand));
      }
      context.operands.push_back(graph_.type(operand));
    }
    context.attributes = &op.attributes;
    context.patterns = &graph_.patterns();
    if (has_trait(op.kind, trait::region) != op.body.has_value()) {
      fail("graph {}: {} {} a body", graph_.name(), name, op.body ? "has" : "lacks");
    }
    if (op.body) check_body(op, id, context);
    const std::vector<Type> types = infer_types(op.kind, context);
    if (types.size() != op.results.size()) {
      fail("graph {}: {} has {} results; expected {}", graph_.name(), name, op.results.size(), types.size());
    }
    for (std::size_t i = 0; i < types.size(); ++i) {
      define(op.results[i], name);
      if (graph_.type(op.results[i]) != types[i]) {
        fail("graph {}: {} gives {}; its result is declared {}", graph_.name(), name,
             to_string(types[i], graph_.pattern_names()), graph_.describe(op.results[i]));
      }
    }
  }

  void check_body(const Op& op, OpId id, TypingContext& context) {
    const Block& body = graph_.block(*op.body);
    if (body.owner != id) fail("graph {}: {} doesn't own its body", graph_.name(), info(op.kind).name);
    for (const ValueId argument : body.arguments) context.arguments.push_back(graph_.type(argument));
    block(*op.body);
    for (const ValueId yielded : graph_.terminator(*op.body).operands) {
      context.yielded.push_back(graph_.type(yielded));
    }
  }

  const Graph& graph_;
  std::vector<bool> defined_;  // so far
  std::vector<bool> visible_;  // in the block at hand
};

bool allowed(const Op& op, Stage stage) {
  if (stage == Stage::optimised) return op.kind != OpKind::update;
  if (const auto* scan = std::get_if<ScanAttributes>(&op.attributes)) return scan->until_unchanged.empty();
  return op.kind != OpKind::error && op.kind != OpKind::correlate && op.kind != OpKind::advance && op.kind != OpKind::fuse;
}

}  // namespace

std::string_view name_of(Stage stage) { return stage == Stage::lowered ? "lowered" : "optimised"; }

void verify(const Graph& graph) { Verifier(graph).block(graph.body()); }

void verify(const Graph& graph, Stage stage) {
  verify(graph);
  for (std::size_t i = 0; i < graph.op_count(); ++i) {
    const Op& op = graph.op(OpId{static_cast<std::int32_t>(i)});
    if (!allowed(op, stage)) {
      fail("graph {}: {} is not allowed in a {} graph", graph.name(), info(op.kind).name, name_of(stage));
    }
  }
}

}  // namespace relaxon
