#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "core/error.hpp"
#include "ir/rewriter.hpp"
#include "ir/verify.hpp"
#include "passes/analysis/message_of.hpp"
#include "passes/plan/cost_model.hpp"
#include "passes/plan/field_layout.hpp"
#include "passes/plan/followed_samples.hpp"
#include "passes/plan/kept_weights.hpp"
#include "passes/plan/kernel_choice.hpp"
#include "passes/plan/liveness.hpp"
#include "passes/plan/plan.hpp"
#include "passes/plan/sharing.hpp"
#include "passes/plan/turned_fields.hpp"
#include "passes/plan/verify.hpp"

namespace relaxon {
namespace {

/// Values and slots of one graph while its plan is made.
class Planner {
 public:
  Planner(const Graph& graph, const PlanOptions& options)
      : graph_(graph),
        options_(options),
        beside_(graph),
        last_uses_(graph, beside_.bases()),
        layout_(graph),
        slots_(graph.value_count()) {
    plan_.name = graph.name();
    plan_.fixed_bits = graph.fixed_bits();
    plan_.threads = std::max(1, options.target.cores);
    plan_.patterns = graph.patterns();
  }

  Plan run() {
    block(graph_.body(), plan_.steps);
    const Op& ret = graph_.terminator(graph_.body());
    for (std::size_t i = 0; i < ret.operands.size(); ++i) {
      plan_.results.push_back({graph_.result_names()[i], in_storage(ret.operands[i], Storage::tensor,
                                                                    "result of the graph", plan_.steps)});
    }
    keep_fixed_weights(plan_);
    follow_samples(plan_, CostModel(plan_, sizes_of(plan_, options_), options_.target));
    turn_fields_once(plan_, options_);
    assign_live_ranges(plan_);
    const CostModel model(plan_, sizes_of(plan_, options_), options_.target);
    choose_whole(model, plan_.steps);
    share_work(plan_, model);
    return std::move(plan_);
  }

 private:
  SlotId new_slot(const Type& type, Storage storage, std::string name) {
    plan_.slots.push_back({std::move(name), type, storage, 0, 0});
    return SlotId{static_cast<std::int32_t>(plan_.slots.size()) - 1};
  }
  std::string name_of_value(ValueId v) const {
    const std::string& hint = graph_.value(v).hint;
    return hint.empty() ? fmt::format("v{}", v.index) : hint;
  }
  Storage storage(ValueId v) const {
    const Storage usual = storage_of(graph_, v);
    return usual == Storage::fields && layout_.by_sample(v) ? Storage::field_rows : usual;
  }
  SlotId new_slot(ValueId v) {
    return slots_[index(v)] = new_slot(graph_.type(v), storage(v), name_of_value(v));
  }
  static std::size_t index(ValueId v) { return static_cast<std::size_t>(v.index); }
  SlotId slot(ValueId v) const { return slots_[index(v)]; }
  std::vector<SlotId> slots(const std::vector<ValueId>& values) const {
    std::vector<SlotId> ids;
    for (const ValueId v : values) ids.push_back(slot(v));
    return ids;
  }
  std::string covers(const Op& op) const {
    std::string text;
    for (const ValueId v : op.results)
      text += fmt::format("{}%{}", text.empty() ? "" : " ", name_of_value(v));
    return text;
  }

  Step& add(std::vector<Step>& steps, Kernel kernel, const Op& op, std::string_view why) {
    Step& step = steps.emplace_back();
    step.kernel = kernel;
    step.op = op.kind;
    step.attributes = op.attributes;
    step.covers = covers(op);
    step.why = why;
    return step;
  }

  /// The slot of a value in the storage that a kernel needs, converted if it lies otherwise.
  SlotId in_storage(ValueId v, Storage wanted, std::string_view why, std::vector<Step>& steps) {
    const Slot from = plan_.slot(slot(v));
    if (from.storage == wanted) return slot(v);
    if (from.storage != Storage::tensor && wanted == Storage::reals) return as_numbers(slot(v), why, steps);
    const SlotId to = new_slot(from.type, wanted, from.name);
    const bool turned = holds_fields(from.storage) && holds_fields(wanted);
    transfer(turned                      ? Kernel::turn
             : wanted == Storage::tensor ? Kernel::store
                                         : Kernel::load,
             slot(v), to, why, steps);
    return to;
  }

  /// Values of few kinds as float32: 1 x + 0.
  SlotId as_numbers(SlotId from, std::string_view why, std::vector<Step>& steps) {
    const auto make = [&](Kernel kernel, OpKind op, Attributes attributes, SlotId to) -> Step& {
      transfer(kernel, from, to, why, steps);
      steps.back().op = op;
      steps.back().attributes = std::move(attributes);
      return steps.back();
    };
    std::vector<SlotId> inputs{from};
    for (const float factor : {1.0f, 0.0f}) {
      inputs.push_back(new_slot(make_type(Elem::f32, {}), Storage::tensor, fmt::format("{}", factor)));
      make(Kernel::reference, OpKind::constant, ConstantAttributes{Elem::f32, factor, 0}, inputs.back())
          .inputs = {};
    }
    const Slot& few = plan_.slot(from);
    const SlotId to = new_slot(make_type(Elem::f32, few.type.dims), Storage::reals, few.name);
    make(Kernel::affine, OpKind::affine, {}, to).inputs = std::move(inputs);
    return to;
  }

  void transfer(Kernel kernel, SlotId from, SlotId to, std::string_view why, std::vector<Step>& steps) {
    Step& step = steps.emplace_back();
    step.kernel = kernel;
    step.inputs = {from};
    step.outputs = {to};
    step.why = why;
  }

  void block(BlockId id, std::vector<Step>& steps) {
    const Block& b = graph_.block(id);
    for (std::size_t i = 0; i + 1 < b.ops.size(); ++i) {
      const Op& op = graph_.op(b.ops[i]);
      make_fixed_weights(op, steps);
      plan_op(b.ops[i], op, steps);
    }
  }

  /// q of every weight that `op` or its body reads in exact messages, made here so that no loop repeats it.
  void make_fixed_weights(const Op& op, std::vector<Step>& steps) {
    for (const ValueId w : exact_weights(graph_, op)) {
      if (fixed_.contains(w) || slot(w).index < 0) continue;
      const Slot& weight = plan_.slot(slot(w));
      if (weight.storage == Storage::tensor) continue;
      const bool dense = weight.storage == Storage::dense;
      const SlotId q =
          new_slot(weight.type, dense ? Storage::dense_fixed : Storage::columns_fixed, "q." + weight.name);
      Step& step = steps.emplace_back();
      step.kernel = Kernel::quantise;
      step.op = OpKind::message;
      step.attributes = MessageAttributes{{}, edge_of(graph_, op, w), true};
      step.inputs = {slot(w)};
      step.outputs = {q};
      step.why = "messages add integers; made once for each version of the weight";
      fixed_[w] = q;
    }
  }

  void plan_op(OpId id, const Op& op, std::vector<Step>& steps) {
    switch (op.kind) {
      case OpKind::input:
      case OpKind::param: return bind(op, steps);
      case OpKind::scan:
      case OpKind::loop: return iterate(id, op, steps);
      case OpKind::fuse: return region(op, steps);
      case OpKind::advance: return advance(id, op, steps);
      case OpKind::apply: return apply(id, op, {}, steps);
      case OpKind::probe: {
        Step& step = add(steps, Kernel::probe, op, "asked for");
        step.inputs = slots(op.operands);
        return;
      }
      default: return simple(op, steps);
    }
  }

  void bind(const Op& op, std::vector<Step>& steps) {
    const auto& binding = std::get<BindingAttributes>(op.attributes);
    const ValueId v = op.results[0];
    const SlotId bound = new_slot(binding.type, Storage::tensor, binding.name);
    plan_.bindings.push_back({binding.name, bound});
    if (storage_of(graph_, v) == Storage::tensor) {
      slots_[index(v)] = bound;
      return;
    }
    Step& step = add(steps, Kernel::load, op, "bound row-major");
    step.inputs = {bound};
    step.outputs = {new_slot(v)};
  }

  void simple(const Op& op, std::vector<Step>& steps) {
    const KernelChoice choice = choose_kernel(graph_, op);
    std::vector<SlotId> inputs = slots(op.operands);
    if (choice.kernel == Kernel::exact) inputs[1] = fixed_.at(op.operands[1]);
    if (choice.kernel == Kernel::gather || choice.kernel == Kernel::take_row)
      inputs[0] = in_storage(op.operands[0], Storage::tensor, "rows of a table", steps);
    Step& step = add(steps, choice.kernel, op, choice.why);
    step.inputs = std::move(inputs);
    for (const ValueId v : op.results) step.outputs.push_back(new_slot(v));
    turn_if_needed(step.outputs, steps);
  }

  /// Where a kernel lays its fields down otherwise than their users want them, they are turned once.
  void turn_if_needed(const std::vector<SlotId>& outputs, std::vector<Step>& steps) {
    if (outputs.size() != 1 || !holds_fields(plan_.slot(outputs[0]).storage)) return;
    const std::size_t made = steps.size() - 1;
    const Slot wanted = plan_.slot(outputs[0]);
    const Storage own = own_layout(steps[made], wanted.storage);
    if (own == wanted.storage) return;
    const SlotId to = outputs[0];
    const SlotId from = new_slot(wanted.type, own, wanted.name);
    steps[made].outputs = {from};
    transfer(Kernel::turn, from, to, "added to fields that lie so", steps);
  }

  Storage own_layout(const Step& step, Storage wanted) const {
    switch (step.kernel) {
      case Kernel::exact:
        return plan_.slot(step.inputs[1]).storage == Storage::dense_fixed ? Storage::field_rows
                                                                          : Storage::fields;
      case Kernel::to_fields: return Storage::fields;
      case Kernel::sum:
        for (const SlotId s : step.inputs) {
          if (plan_.slot(s).storage == Storage::field_rows) return Storage::field_rows;
        }
        return Storage::fields;
      default: return wanted;
    }
  }

  /// The slot that op may overwrite in place of an operand, or a copy of it.
  SlotId overwritable(OpId id, ValueId operand, ValueId result, std::vector<Step>& steps) {
    const std::vector<ValueId>& all = graph_.op(id).operands;
    const bool once = std::count(all.begin(), all.end(), operand) == 1;
    if (once && last_uses_.dies_at(operand, id)) return slots_[index(result)] = slot(operand);
    const SlotId to = new_slot(result);
    transfer(Kernel::copy, slot(operand), to, fmt::format("%{} is needed later", name_of_value(operand)),
             steps);
    return to;
  }

  void advance(OpId id, const Op& op, std::vector<Step>& steps) {
    if (!fixed_.contains(op.operands[3])) return simple(op, steps);
    const bool dense = plan_.slot(fixed_.at(op.operands[3])).storage == Storage::dense_fixed;
    const Storage own = dense ? Storage::field_rows : Storage::fields;
    SlotId field;
    if (plan_.slot(slot(op.operands[0])).storage == own) {
      field = overwritable(id, op.operands[0], op.results[0], steps);
    } else {
      field = slots_[index(op.results[0])] =
          in_storage(op.operands[0], own, "as the weight's messages lie", steps);
    }
    const std::optional<SlotId> base = base_of(id, own, field);
    Step& step = base ? add(steps, Kernel::follow, op, "senders that changed, or all where many did")
                      : add(steps, Kernel::advance, op, "only senders that changed are added");
    step.inputs = {field, slot(op.operands[1]), slot(op.operands[2]), fixed_.at(op.operands[3])};
    if (base && base->index >= 0) step.inputs.push_back(*base);
    step.outputs = {field};
  }

  /// Where what an advance finds beside its message lies as its field does; invalid: nothing is there.
  /// nullopt: the whole message can't be computed anew.
  std::optional<SlotId> base_of(OpId id, Storage storage, SlotId field) const {
    const std::optional<BesideMessage> beside = beside_.of(id);
    if (!beside || beside->base.index < 0) return beside ? std::optional(SlotId{}) : std::nullopt;
    SlotId base = slot(beside->base);
    if (const auto turned = turned_.find(beside->base); turned != turned_.end()) base = turned->second;
    if (plan_.slot(base).storage != storage || base == field) return std::nullopt;
    return base;
  }

  /// apply, with the correlations that feed it if they are one region.
  void apply(OpId id, const Op& op, const std::vector<const Op*>& correlations, std::vector<Step>& steps) {
    const auto moments = static_cast<std::size_t>(moments_of(std::get<ApplyAttributes>(op.attributes).rule));
    const Storage storage = plan_.slot(slot(op.operands[0])).storage;
    if (storage == Storage::tensor) return simple(op, steps);
    std::vector<SlotId> changed;
    for (std::size_t i = 0; i <= moments; ++i) {
      const bool lies_so = plan_.slot(slot(op.operands[i])).storage == storage;
      changed.push_back(lies_so ? overwritable(id, op.operands[i], op.results[i], steps)
                                : in_storage(op.operands[i], storage, "as the weight lies", steps));
      slots_[index(op.results[i])] = changed.back();
    }
    const bool fused = !correlations.empty();
    const SlotId s =
        fused ? SlotId{} : in_storage(op.operands[moments + 1], storage, "as the weight lies", steps);
    Step& step = add(steps, fused ? Kernel::update : Kernel::apply, op, why_updated(correlations.size()));
    step.inputs = changed;
    if (fused) {
      step.region = correlations[0]->attributes;
      for (const Op* correlation : correlations) {
        for (const ValueId side : correlation->operands) step.inputs.push_back(slot(side));
      }
    } else {
      step.inputs.push_back(s);
    }
    step.inputs.push_back(slot(op.operands[moments + 2]));
    step.outputs = std::move(changed);
  }

  static std::string_view why_updated(std::size_t correlations) {
    switch (correlations) {
      case 0: return "S is stored";
      case 1: return "S is used once: its entries never leave registers";
      default: return "S of two phases: entries and their difference never leave registers";
    }
  }

  /// A fused region: one step if a kernel computes it whole, else its ops one by one.
  void region(const Op& op, std::vector<Step>& steps) {
    const Block& body = graph_.block(*op.body);
    const std::vector<ValueId>& yielded = graph_.terminator(*op.body).operands;
    if (!fused_sum(body, yielded, steps) && !fused_update(body, steps)) {
      block(*op.body, steps);
    }
    for (std::size_t i = 0; i < yielded.size(); ++i) {
      if (!is_outside(graph_, yielded[i], *op.body)) {
        slots_[index(op.results[i])] = slot(yielded[i]);
      } else {
        const SlotId to = new_slot(op.results[i]);
        const bool same = plan_.slot(to).storage == plan_.slot(slot(yielded[i])).storage;
        transfer(same ? Kernel::copy : Kernel::turn, slot(yielded[i]), to, "yielded as it is", steps);
      }
    }
  }

  bool fused_sum(const Block& body, const std::vector<ValueId>& yielded, std::vector<Step>& steps) {
    if (body.ops.size() != 3) return false;
    const Op& sum = graph_.op(body.ops[0]);
    const Op& end = graph_.op(body.ops[1]);
    if (sum.kind != OpKind::aggregate || yielded != end.results) return false;
    const std::size_t field = end.kind == OpKind::error ? 1 : 0;
    if ((end.kind != OpKind::threshold && end.kind != OpKind::error) || end.operands[field] != sum.results[0])
      return false;
    const KernelChoice choice = choose_kernel(graph_, end);
    if (choice.kernel != Kernel::sign && choice.kernel != Kernel::margin) return false;
    Step& step = add(steps, choice.kernel, end, "one pass over the messages");
    step.covers = covers(sum) + " " + covers(end);
    step.inputs = slots(sum.operands);
    for (std::size_t i = 0; i < end.operands.size(); ++i) {
      if (i != field) step.inputs.push_back(slot(end.operands[i]));
    }
    step.outputs = {new_slot(end.results[0])};
    return true;
  }

  bool fused_update(const Block& body, std::vector<Step>& steps) {
    const std::vector<const Op*> correlations = updating_correlations(body);
    if (correlations.empty()) return false;
    const OpId end = body.ops[body.ops.size() - 2];
    apply(end, graph_.op(end), correlations, steps);
    return true;
  }

  /// The correlations of a region that one step updates a weight from: one, or two and their difference.
  /// Empty: no kernel does that.
  std::vector<const Op*> updating_correlations(const Block& body) const {
    const std::size_t count = body.ops.size() - 1;
    if (count != 2 && count != 4) return {};
    const Op& end = graph_.op(body.ops[count - 1]);
    if (end.kind != OpKind::apply || plan_.slot(slot(end.operands[0])).storage == Storage::tensor) return {};
    std::vector<const Op*> correlations{&graph_.op(body.ops[0])};
    if (count == 4) correlations.push_back(&graph_.op(body.ops[1]));
    for (const Op* op : correlations) {
      if (op->kind != OpKind::correlate || choose_kernel(graph_, *op).kernel != Kernel::correlate) return {};
    }
    ValueId s = correlations[0]->results[0];
    if (count == 4) {
      const Op& difference = graph_.op(body.ops[2]);
      const std::vector<ValueId> terms{s, correlations[1]->results[0]};
      if (difference.kind != OpKind::subtract || difference.operands != terms ||
          !lie_alike(*correlations[0], *correlations[1]))
        return {};
      s = difference.results[0];
    }
    return end.operands[end.operands.size() - 2] == s ? correlations : std::vector<const Op*>{};
  }

  /// Whether both correlations are of one kind, for a kernel that computes them together.
  bool lie_alike(const Op& a, const Op& b) const {
    const auto same = [&](std::size_t side) {
      return plan_.slot(slot(a.operands[side])).storage == plan_.slot(slot(b.operands[side])).storage;
    };
    return a.attributes == b.attributes && same(0) && same(1);
  }

  /// What an iteration leaves for each carry. A yield that lies in another carry's slot is saved first, so
  /// that the order in which carries are written doesn't matter.
  std::vector<SlotId> yields(const Op& op, const std::vector<SlotId>& carries, std::vector<Step>& body) {
    std::vector<SlotId> yielded;
    const std::vector<ValueId>& values = graph_.terminator(*op.body).operands;
    for (std::size_t c = 0; c < carries.size(); ++c) {
      SlotId from = in_storage(values[c], plan_.slot(carries[c]).storage, "as the carry lies", body);
      if (from != carries[c] && std::find(carries.begin(), carries.end(), from) != carries.end()) {
        const Slot other = plan_.slot(from);
        const SlotId saved = new_slot(other.type, other.storage, other.name);
        transfer(Kernel::copy, from, saved, "its carry is written too", body);
        from = saved;
      }
      yielded.push_back(from);
    }
    return yielded;
  }

  /// scan and for: a carry lives in one slot, in its start's own one if nobody else needs that.
  void iterate(OpId id, const Op& op, std::vector<Step>& steps) {
    const Block& body = graph_.block(*op.body);
    const std::size_t first = op.kind == OpKind::loop ? 1 : 0;
    std::vector<SlotId> starts, carries;
    for (std::size_t c = 1; c < op.operands.size(); ++c) {
      const ValueId start = op.operands[c];
      const ValueId argument = body.arguments[first + c - 1];
      const bool same = plan_.slot(slot(start)).storage == storage(argument);
      starts.push_back(in_storage(start, storage(argument), "as the carry lies", steps));
      if (!same) turned_[start] = starts.back();
      const bool once = std::count(op.operands.begin(), op.operands.end(), start) == 1;
      // What lies otherwise has a slot of its own by now.
      const bool own = same ? once && last_uses_.dies_at(start, id) : !beside_.is_base(start);
      carries.push_back(own ? slots_[index(argument)] = starts.back() : new_slot(argument));
      if (own || !holds_fields(storage(argument))) continue;
      // By a step of its own, which threads share.
      transfer(Kernel::copy, starts.back(), carries.back(), "it is needed as it is, too", steps);
      starts.back() = carries.back();
    }
    Step step;
    step.kernel = op.kind == OpKind::scan ? Kernel::scan : Kernel::loop;
    step.op = op.kind;
    step.attributes = op.attributes;
    step.covers = covers(op);
    step.inputs.push_back(slot(op.operands[0]));
    step.inputs.insert(step.inputs.end(), starts.begin(), starts.end());
    if (first == 1) step.arguments.push_back(new_slot(body.arguments[0]));
    step.arguments.insert(step.arguments.end(), carries.begin(), carries.end());
    const std::map<ValueId, SlotId> outside = fixed_;
    block(*op.body, step.body);
    fixed_ = outside;
    step.yielded = yields(op, carries, step.body);
    for (std::size_t c = 0; c < carries.size(); ++c) slots_[index(op.results[c])] = carries[c];
    step.outputs = carries;
    steps.push_back(std::move(step));
  }

  static void choose_whole(const CostModel& model, std::vector<Step>& steps) {
    for (Step& step : steps) {
      if (step.kernel == Kernel::follow) step.whole_from = model.follow(step).whole_from();
      choose_whole(model, step.body);
    }
  }

  const Graph& graph_;
  const PlanOptions& options_;
  BesideMessages beside_;
  LastUses last_uses_;
  FieldLayout layout_;
  Plan plan_;
  std::vector<SlotId> slots_;
  std::map<ValueId, SlotId> fixed_;
  std::map<ValueId, SlotId> turned_;  // starts of carries that lie otherwise
};

}  // namespace

Plan make_plan(const Graph& graph, const PlanOptions& options) {
  verify(graph, Stage::optimised);
  Plan plan = Planner(graph, options).run();
  verify(plan);
  return plan;
}

}  // namespace relaxon
