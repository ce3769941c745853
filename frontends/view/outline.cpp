#include "frontends/view/outline.hpp"

#include <fmt/format.h>

#include "frontends/explain.hpp"
#include "ir/lexer.hpp"
#include "ir/op_info.hpp"
#include "ir/print_attributes.hpp"
#include "ir/text.hpp"
#include "passes/plan/text_form.hpp"

namespace relaxon {
namespace {

std::optional<EdgeId> edge_of(const Attributes& attributes) {
  if (const auto* a = std::get_if<MessageAttributes>(&attributes)) return a->edge;
  if (const auto* a = std::get_if<CorrelateAttributes>(&attributes)) return a->edge;
  if (const auto* a = std::get_if<UpdateAttributes>(&attributes)) return a->correlate.edge;
  if (const auto* a = std::get_if<ApplyAttributes>(&attributes)) return a->edge;
  return std::nullopt;
}

/// What the text of a graph says beside operands and types.
std::string graph_attributes(const Attributes& attributes) {
  if (const auto* a = std::get_if<BindingAttributes>(&attributes)) return fmt::format("\"{}\"", a->name);
  if (const auto* a = std::get_if<NamesAttributes>(&attributes)) return fmt::format("\"{}\"", a->names.at(0));
  if (const auto* a = std::get_if<ConstantAttributes>(&attributes))
    return a->elem == Elem::f32 ? to_string(a->real) : fmt::format("{}", a->integer);
  return print_attributes(attributes);
}

std::vector<std::int32_t> until_of(const Attributes& attributes) {
  const auto* scan = std::get_if<ScanAttributes>(&attributes);
  return scan ? scan->until_unchanged : std::vector<std::int32_t>{};
}

/// Names of ids in the order they come.
template <class Id>
std::vector<std::string> chosen(const std::vector<std::string>& names, const std::vector<Id>& ids) {
  std::vector<std::string> result;
  for (const Id id : ids) result.push_back(names.at(static_cast<std::size_t>(id.index)));
  return result;
}

class GraphOutline {
 public:
  explicit GraphOutline(const Graph& graph)
      : graph_(graph), names_(value_names(graph)), patterns_(graph.pattern_names()) {}

  Outline run(std::string stage) {
    Outline o;
    o.stage = std::move(stage);
    o.name = graph_.name();
    o.fixed_bits = graph_.fixed_bits();
    o.patterns = graph_.patterns();
    for (std::size_t i = 0; i < graph_.bindings().size(); ++i) {
      o.bindings.push_back({graph_.binding(i).name, name(graph_.op(graph_.bindings()[i]).results[0])});
    }
    const std::vector<ValueId>& results = graph_.terminator(graph_.body()).operands;
    for (std::size_t i = 0; i < results.size(); ++i)
      o.results.push_back({graph_.result_names()[i], name(results[i])});
    o.steps = block(graph_.body());
    return o;
  }

 private:
  const std::string& name(ValueId id) const { return names_.at(static_cast<std::size_t>(id.index)); }

  std::vector<OutlineStep> block(BlockId id) const {
    std::vector<OutlineStep> steps;
    for (const OpId op : graph_.block(id).ops) {
      if (!has_trait(graph_.op(op).kind, trait::terminator)) steps.push_back(step(graph_.op(op)));
    }
    return steps;
  }

  OutlineStep step(const Op& op) const {
    OutlineStep s;
    s.kind = info(op.kind).name;
    s.op = op.kind;
    s.results = chosen(names_, op.results);
    for (const ValueId id : op.results) s.types.push_back(to_string(graph_.type(id), patterns_));
    s.operands = chosen(names_, op.operands);
    s.attributes = graph_attributes(op.attributes);
    s.edge = edge_of(op.attributes);
    if (op.body) add_region(s, op);
    return s;
  }

  void add_region(OutlineStep& s, const Op& op) const {
    s.region = true;
    const Block& body = graph_.block(*op.body);
    const std::size_t first = op.kind == OpKind::loop ? 1 : 0;
    if (first == 1) s.index = name(body.arguments[0]);
    for (std::size_t i = first; i < body.arguments.size(); ++i)
      s.carries.push_back({name(body.arguments[i]), s.operands[i + 1 - first]});
    if (!s.operands.empty()) s.operands.resize(1);
    for (const std::int32_t i : until_of(op.attributes))
      s.until.push_back(name(body.arguments[static_cast<std::size_t>(i)]));
    s.attributes.clear();
    s.yielded = chosen(names_, graph_.terminator(*op.body).operands);
    s.body = block(*op.body);
  }

  const Graph& graph_;
  std::vector<std::string> names_, patterns_;
};

class PlanOutline {
 public:
  explicit PlanOutline(const Plan& plan)
      : plan_(plan), names_(slot_names(plan)), patterns_(plan.pattern_names()) {}

  Outline run() {
    Outline o;
    o.stage = "planned";
    o.name = plan_.name;
    o.fixed_bits = plan_.fixed_bits;
    o.patterns = plan_.patterns;
    for (std::size_t i = 0; i < plan_.slots.size(); ++i) {
      const Slot& s = plan_.slots[i];
      o.slots.push_back({names_[i], s.name, to_string(s.type, patterns_),
                         std::string(name_in(storage_names, s.storage)), s.first, s.last});
    }
    for (const Plan::Port& p : plan_.bindings) o.bindings.push_back({p.name, name(p.slot)});
    for (const Plan::Port& p : plan_.results) o.results.push_back({p.name, name(p.slot)});
    o.steps = steps(plan_.steps);
    return o;
  }

 private:
  const std::string& name(SlotId id) const { return names_.at(static_cast<std::size_t>(id.index)); }

  std::vector<OutlineStep> steps(const std::vector<Step>& list) const {
    std::vector<OutlineStep> result;
    for (const Step& s : list) result.push_back(step(s));
    return result;
  }

  OutlineStep step(const Step& step) const {
    OutlineStep s;
    s.kind = name_in(kernel_names, step.kernel);
    s.op = step.op;
    s.moves = step.kernel != Kernel::reference && usual_op(step.kernel) == Step{}.op;
    s.results = chosen(names_, step.outputs);
    for (const SlotId id : step.outputs) {
      const Slot& slot = plan_.slot(id);
      s.types.push_back(
          fmt::format("{} {}", to_string(slot.type, patterns_), name_in(storage_names, slot.storage)));
    }
    s.operands = chosen(names_, step.inputs);
    s.attributes = attribute_text(step.attributes, patterns_);
    s.edge = edge_of(step.attributes);
    if (step.kernel == Kernel::update) {
      const std::string correlate = attribute_text(step.region, patterns_);
      s.attributes += fmt::format(" after {} {}", info(OpKind::correlate).name, correlate);
    }
    if (const auto ops = ops_of(step); ops.size() > 1) s.fused = ops;
    s.covers = step.covers;
    s.why = step.why;
    if (step.threads != Threads::one) s.threads = name_in(threads_names, step.threads);
    s.whole_from = step.whole_from;
    if (has_body(step.kernel)) add_region(s, step);
    return s;
  }

  void add_region(OutlineStep& s, const Step& step) const {
    s.region = true;
    const std::size_t first = step.kernel == Kernel::loop ? 1 : 0;
    if (first == 1) s.index = name(step.arguments[0]);
    for (std::size_t i = 1; i < step.inputs.size(); ++i)
      s.carries.push_back({name(step.arguments[first + i - 1]), s.operands[i]});
    s.operands.resize(1);
    for (const std::int32_t i : until_of(step.attributes))
      s.until.push_back(name(step.arguments.at(static_cast<std::size_t>(i))));
    s.attributes.clear();
    s.yielded = chosen(names_, step.yielded);
    s.body = steps(step.body);
  }

  const Plan& plan_;
  std::vector<std::string> names_, patterns_;
};

}  // namespace

Outline outline(const Graph& graph, std::string stage) { return GraphOutline(graph).run(std::move(stage)); }
Outline outline(const Plan& plan) { return PlanOutline(plan).run(); }

}  // namespace relaxon
