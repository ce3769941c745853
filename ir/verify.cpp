#include "ir/verify.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "ir/op_info.hpp"

namespace relaxon {
namespace {

class Verifier {
 public:
  explicit Verifier(const Graph& graph) : graph_(graph), defined_(graph.value_count(), false), visible_(defined_), placed_(graph.op_count(), false) {}

  void run() {
    block(graph_.body());
    if (bindings_ != graph_.bindings()) {
      fail("graph {}: bindings() must list its inputs and params in their order", graph_.name());
    }
  }

 private:

  void block(BlockId id) {
    const Block& block = graph_.block(id);
    for (const ValueId argument : block.arguments) define(argument, "a block argument", OpId{}, id);
    if (block.ops.empty()) fail("graph {}: a block is empty; expected a terminator", graph_.name());
    for (std::size_t i = 0; i < block.ops.size(); ++i) {
      const OpId op = block.ops[i];
      if (op.index < 0 || static_cast<std::size_t>(op.index) >= graph_.op_count()) {
        fail("graph {}: op {} is out of range", graph_.name(), op.index);
      }
      if (placed_[static_cast<std::size_t>(op.index)]) {
        fail("graph {}: {} stands in two places", graph_.name(), info(graph_.op(op).kind).name);
      }
      placed_[static_cast<std::size_t>(op.index)] = true;
      if (graph_.block_of(op) != id) {
        fail("graph {}: {} stands in block {}, recorded is {}", graph_.name(), info(graph_.op(op).kind).name, id.index,
             graph_.block_of(op).index);
      }
      const bool last = i + 1 == block.ops.size();
      const OpKind kind = graph_.op(op).kind;
      if (has_trait(kind, trait::terminator) != last) {
        fail("graph {}: {} stands {} a block", graph_.name(), info(kind).name, last ? "at the end of" : "inside");
      }
      if (last && (kind == OpKind::ret) != (id == graph_.body())) {
        fail("graph {}: {} ends the wrong block", graph_.name(), info(kind).name);
      }
      check(graph_.op(op), op, id);
    }
    // Values of this block are not visible after it.
    for (const ValueId argument : block.arguments) hide(argument);
    for (const OpId op : block.ops) {
      for (const ValueId result : graph_.op(op).results) hide(result);
    }
  }

  void hide(ValueId id) { visible_[static_cast<std::size_t>(id.index)] = false; }

  void define(ValueId id, std::string_view by, OpId op, BlockId block) {
    if (id.index < 0 || static_cast<std::size_t>(id.index) >= graph_.value_count()) {
      fail("graph {}: {} defines value {}, which is out of range", graph_.name(), by, id.index);
    }
    if (defined_[static_cast<std::size_t>(id.index)]) fail("graph {}: {} defines {} again", graph_.name(), by, graph_.describe(id));
    const Value& value = graph_.value(id);
    if (value.op != op || value.block != block) {
      fail("graph {}: {} defines {}, which is recorded as defined elsewhere", graph_.name(), by, graph_.describe(id));
    }
    defined_[static_cast<std::size_t>(id.index)] = true;
    visible_[static_cast<std::size_t>(id.index)] = true;
  }

  void check(const Op& op, OpId id, BlockId block) {
    const std::string_view name = info(op.kind).name;
    if (std::holds_alternative<BindingAttributes>(op.attributes)) {
      if (block != graph_.body()) fail("graph {}: {} stands in a body; bindings stand outside", graph_.name(), name);
      bindings_.push_back(id);
    }
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
    const std::vector<Type> types = inferred(op.kind, context);
    if (types.size() != op.results.size()) {
      fail("graph {}: {} has {} results; expected {}", graph_.name(), name, op.results.size(), types.size());
    }
    for (std::size_t i = 0; i < types.size(); ++i) {
      define(op.results[i], name, id, block);
      if (graph_.type(op.results[i]) != types[i]) {
        fail("graph {}: {} gives {}; its result is declared {}", graph_.name(), name,
             to_string(types[i], graph_.pattern_names()), graph_.describe(op.results[i]));
      }
    }
  }

  std::vector<Type> inferred(OpKind kind, const TypingContext& context) {
    try {
      return infer_types(kind, context);
    } catch (const Error& e) {
      fail("graph {}: {}", graph_.name(), e.what());
    }
  }

  void check_body(const Op& op, OpId id, TypingContext& context) {
    if (op.body->index < 1 || static_cast<std::size_t>(op.body->index) >= graph_.block_count()) {
      fail("graph {}: the body of {} is block {}, which is out of range", graph_.name(), info(op.kind).name, op.body->index);
    }
    const Block& body = graph_.block(*op.body);
    if (body.owner != id) fail("graph {}: {} doesn't own its body", graph_.name(), info(op.kind).name);
    block(*op.body);
    for (const ValueId argument : body.arguments) context.arguments.push_back(graph_.type(argument));
    for (const ValueId yielded : graph_.terminator(*op.body).operands) {
      context.yielded.push_back(graph_.type(yielded));
    }
  }

  const Graph& graph_;
  std::vector<bool> defined_;  // so far
  std::vector<bool> visible_;  // in the block at hand
  std::vector<bool> placed_;   // ops
  std::vector<OpId> bindings_;
};

/// Whether a value is there to be looked at: probes use it and nothing else does.
bool only_probed(const Graph& graph, ValueId value) {
  bool probed = false;
  for (std::size_t i = 0; i < graph.op_count(); ++i) {
    const Op& op = graph.op(OpId{static_cast<std::int32_t>(i)});
    if (std::find(op.operands.begin(), op.operands.end(), value) == op.operands.end()) continue;
    if (op.kind != OpKind::probe) return false;
    probed = true;
  }
  return probed;
}

bool allowed(const Graph& graph, const Op& op, Stage stage) {
  if (stage == Stage::optimised) return op.kind != OpKind::update;
  if (const auto* scan = std::get_if<ScanAttributes>(&op.attributes)) return scan->until_unchanged.empty();
  if (op.kind == OpKind::error) return only_probed(graph, op.results[0]);
  return op.kind != OpKind::add && op.kind != OpKind::correlate && op.kind != OpKind::advance && op.kind != OpKind::fuse;
}

}  // namespace

std::string_view name_of(Stage stage) { return stage == Stage::lowered ? "lowered" : "optimised"; }

void verify(const Graph& graph) {
  if (graph.block_count() == 0) fail("graph {}: it has no body", graph.name());
  Verifier(graph).run();
}

void verify(const Graph& graph, Stage stage) {
  verify(graph);
  for (std::size_t i = 0; i < graph.op_count(); ++i) {
    const Op& op = graph.op(OpId{static_cast<std::int32_t>(i)});
    if (!allowed(graph, op, stage)) {
      fail("graph {}: {}{} is not allowed at stage {}", graph.name(), info(op.kind).name,
           op.kind == OpKind::scan ? " with an early exit" : "", name_of(stage));
    }
  }
}

}  // namespace relaxon
