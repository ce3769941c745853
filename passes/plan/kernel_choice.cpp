#include "passes/plan/kernel_choice.hpp"

#include <algorithm>
#include <functional>

#include "core/error.hpp"
#include "ir/op_info.hpp"

namespace relaxon {
namespace {

bool has_batch(const Type& type) { return type.rank() >= 2 && type.dims[0] == batch_dim; }

/// A (d, K) array that an edge owns: a parameter, what apply makes of it, or a correlation shaped like it.
bool is_weight(const Graph& graph, ValueId value) {
  const Type& type = graph.type(value);
  if ((type.elem != Elem::f32 && type.elem != Elem::i64) || type.rank() != 2) return false;
  if (type.dims[0].is_symbolic() || type.dims[1].is_symbolic()) return false;
  if (type.entries.kind != Entries::Kind::dense) return true;
  const Op* op = graph.definition(value);
  if (!op) {
    // An argument of a loop is what the loop starts from.
    const Block& block = graph.block(graph.value(value).block);
    const Op& owner = graph.op(*block.owner);
    const auto at = static_cast<std::size_t>(
        std::find(block.arguments.begin(), block.arguments.end(), value) - block.arguments.begin());
    const std::size_t first = owner.kind == OpKind::loop ? 1 : 0;
    return is_weight(graph, owner.operands.at(at - first + 1));
  }
  if (op->kind == OpKind::param || op->kind == OpKind::apply || op->kind == OpKind::correlate) return true;
  if (op->kind == OpKind::subtract) return is_weight(graph, op->operands[0]);
  if (!op->body) return false;
  const auto at = static_cast<std::size_t>(std::find(op->results.begin(), op->results.end(), value) -
                                           op->results.begin());
  return op->kind == OpKind::fuse ? is_weight(graph, graph.terminator(*op->body).operands[at])
                                  : is_weight(graph, op->operands.at(at + 1));
}

KernelChoice reference(std::string why) { return {Kernel::reference, "interpreter: " + std::move(why)}; }

bool is_weight_storage(Storage s) { return s == Storage::dense || s == Storage::columns; }

KernelChoice message_kernel(const Graph& graph, const Op& op) {
  const auto& a = std::get<MessageAttributes>(op.attributes);
  if (a.map.kind != MapKind::dense)
    return reference(fmt::format("no kernel for {} maps", name_in(map_names, a.map.kind)));
  const std::size_t weight = op.kind == OpKind::advance ? 3 : 1;
  const std::size_t sender = op.kind == OpKind::advance ? 1 : 0;
  if (!has_batch(graph.type(op.operands[sender])))
    return reference("the sender has no batch: a table, made once");
  const Storage storage = storage_of(graph, op.operands[weight]);
  if (!is_weight_storage(storage)) return reference("the weight is computed, not a parameter");
  const std::string shape = storage == Storage::columns ? "sparse: costs what is connected" : "dense";
  if (op.kind == OpKind::advance) return {Kernel::advance, shape};
  return a.fixed ? KernelChoice{Kernel::exact, shape + "; sender of -1, 0, 1: integers"}
                 : KernelChoice{Kernel::real, shape + "; real-valued sender: one ascending sum an output"};
}

KernelChoice take_kernel(const Graph& graph, const Op& op) {
  const Type& table = graph.type(op.operands[0]);
  const bool one_row = graph.type(op.operands[1]).is_scalar();
  if (table.elem == Elem::i32 && table.rank() == 1 && !one_row) return {Kernel::gather_index, "indices"};
  if (one_row && table.elem == Elem::f32 && table.rank() == 2) return {Kernel::take_row, "step scalars"};
  const bool stored_rows = table.rank() >= 2 && table.elem != Elem::i64 && table.elem != Elem::i32;
  if (!one_row && stored_rows && has_batch(graph.type(op.results[0])))
    return {Kernel::gather, "rows turn batch-innermost on the way"};
  return reference("no kernel for such a table");
}

KernelChoice correlate_kernel(const Graph& graph, const Op& op) {
  const auto& a = std::get<CorrelateAttributes>(op.attributes);
  if (a.map.kind != MapKind::dense)
    return reference(fmt::format("no kernel for {} maps", name_in(map_names, a.map.kind)));
  if (!has_batch(graph.type(op.operands[0]))) return reference("the sender has no batch");
  const auto owner = graph.block(op.block).owner;
  if (owner && graph.op(*owner).kind == OpKind::fuse)
    return {Kernel::correlate, "no kernel updates such a weight from such senders and errors"};
  return {Kernel::correlate, "S is used more than once, or by no optimizer"};
}

KernelChoice error_kernel(const Graph& graph, const Op& op) {
  const Rule rule = std::get<ErrorAttributes>(op.attributes).rule;
  const Type& target = graph.type(op.operands[0]);
  if (rule != Rule::perceptron)
    return reference(fmt::format("no kernel for the {} rule", name_in(rule_names, rule)));
  if (graph.type(op.operands[1]).elem != Elem::fix || target.rank() != 2 || !has_batch(target))
    return reference("the field is not exact");
  if (graph.type(op.operands[2]).rank() != 1) return reference("one margin for all units");
  if (!is_ternary(target) && target.elem != Elem::two) return reference("real-valued targets");
  return {Kernel::margin, "compares fields with margins"};
}

KernelChoice affine_kernel(const Graph& graph, const Op& op) {
  if (!has_batch(graph.type(op.operands[0]))) return reference("no batch: a table, made once");
  return {Kernel::affine, "senders as numbers"};
}

KernelChoice conversion_kernel(const Graph& graph, const Op& op) {
  const Type& from = graph.type(op.operands[0]);
  if (!has_batch(from)) return reference("no batch: a table, made once");
  if (op.kind == OpKind::to_fix && from.elem == Elem::f32) return {Kernel::to_fields, "converted once"};
  if (op.kind == OpKind::to_f32 && from.elem == Elem::fix) return {Kernel::to_reals, "rounded once"};
  return reference("no kernel for this conversion");
}

}  // namespace

Storage storage_of(const Graph& graph, ValueId value) {
  const Type& type = graph.type(value);
  if (has_batch(type)) {
    switch (type.elem) {
      case Elem::pm1:
      case Elem::tern: return Storage::signs;
      case Elem::two: return Storage::pair;
      case Elem::u8: return Storage::bytes;
      case Elem::f32: return Storage::reals;
      case Elem::fix: return Storage::fields;
      case Elem::i32:
      case Elem::i64: return Storage::tensor;
    }
  }
  if (!is_weight(graph, value)) return Storage::tensor;
  return type.entries.kind == Entries::Kind::sparse ? Storage::columns : Storage::dense;
}

KernelChoice choose_kernel(const Graph& graph, const Op& op) {
  switch (op.kind) {
    case OpKind::zeros: return {Kernel::zero, ""};
    case OpKind::slice: return {Kernel::slice, ""};
    case OpKind::take: return take_kernel(graph, op);
    case OpKind::message:
    case OpKind::advance: return message_kernel(graph, op);
    case OpKind::affine: return affine_kernel(graph, op);
    case OpKind::to_fix:
    case OpKind::to_f32: return conversion_kernel(graph, op);
    case OpKind::correlate: return correlate_kernel(graph, op);
    case OpKind::subtract:
      return is_weight_storage(storage_of(graph, op.results[0]))
                 ? KernelChoice{Kernel::subtract, "two phases' S"}
                 : reference("no kernel for differences of this shape");
    case OpKind::error: return error_kernel(graph, op);
    case OpKind::aggregate: {
      const Type& type = graph.type(op.results[0]);
      return type.elem == Elem::fix && has_batch(type) ? KernelChoice{Kernel::sum, ""}
                                                       : reference("float32 sums, left to right");
    }
    case OpKind::threshold: {
      const Type& type = graph.type(op.operands[0]);
      const bool sign = std::get<ThresholdAttributes>(op.attributes).activation == Activation::sign;
      return sign && type.elem == Elem::fix && has_batch(type) ? KernelChoice{Kernel::sign, "of one array"}
                                                               : reference("no kernel for this activation");
    }
    case OpKind::hits: return {Kernel::hits, ""};
    default: return reference(fmt::format("no kernel for {}", info(op.kind).name));
  }
}

namespace {

void for_each_op(const Graph& graph, const Op& op, const std::function<void(const Op&)>& visit) {
  visit(op);
  if (!op.body) return;
  for (const OpId inner : graph.block(*op.body).ops) for_each_op(graph, graph.op(inner), visit);
}

/// The weight of an exact message that a kernel computes; invalid for other ops.
ValueId exact_weight(const Graph& graph, const Op& op) {
  if (op.kind != OpKind::message && op.kind != OpKind::advance) return {};
  const Kernel kernel = choose_kernel(graph, op).kernel;
  if (kernel != Kernel::exact && kernel != Kernel::advance) return {};
  return op.operands[op.kind == OpKind::advance ? 3 : 1];
}

}  // namespace

std::vector<ValueId> exact_weights(const Graph& graph, const Op& op) {
  std::vector<ValueId> weights;
  for_each_op(graph, op, [&](const Op& inner) {
    const ValueId w = exact_weight(graph, inner);
    if (w.index >= 0 && std::find(weights.begin(), weights.end(), w) == weights.end()) weights.push_back(w);
  });
  return weights;
}

std::optional<EdgeId> edge_of(const Graph& graph, const Op& op, ValueId weight) {
  std::optional<EdgeId> edge;
  for_each_op(graph, op, [&](const Op& inner) {
    if (!edge && exact_weight(graph, inner) == weight)
      edge = std::get<MessageAttributes>(inner.attributes).edge;
  });
  return edge;
}

}  // namespace relaxon
