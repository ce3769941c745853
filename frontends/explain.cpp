#include "frontends/explain.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>

#include "core/error.hpp"
#include "ir/op_info.hpp"
#include "passes/lower.hpp"
#include "runtime/session.hpp"

namespace relaxon {
namespace {

std::string name_with_edge(OpKind op, const Attributes& attributes) {
  std::optional<EdgeId> edge;
  if (const auto* a = std::get_if<MessageAttributes>(&attributes)) edge = a->edge;
  if (const auto* a = std::get_if<CorrelateAttributes>(&attributes)) edge = a->edge;
  if (const auto* a = std::get_if<ApplyAttributes>(&attributes)) edge = a->edge;
  const std::string_view name = info(op).name;
  return edge ? fmt::format("{} {}", name, to_string(*edge)) : std::string(name);
}

}  // namespace

std::vector<std::string> ops_of(const Step& step) {
  if (step.covers.empty() && step.kernel != Kernel::probe) return {};
  std::vector<std::string> ops;
  if (step.kernel == Kernel::update) ops.push_back(name_with_edge(OpKind::correlate, step.region));
  const auto values = static_cast<std::size_t>(std::count(step.covers.begin(), step.covers.end(), '%'));
  const bool sums = step.kernel == Kernel::sign || step.kernel == Kernel::margin;
  if (sums && values > step.outputs.size()) ops.emplace_back(info(OpKind::aggregate).name);
  ops.push_back(name_with_edge(step.op, step.attributes));
  return ops;
}

namespace {

/// The storages of slots, each once, in the order they come.
std::string storages(const Plan& plan, const std::vector<SlotId>& slots) {
  std::vector<std::string_view> names;
  for (const SlotId id : slots) {
    const std::string_view name = name_in(storage_names, plan.slot(id).storage);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string slot_names(const Plan& plan, const std::vector<SlotId>& slots) {
  std::string text;
  for (const SlotId id : slots) text += fmt::format("{}%{}", text.empty() ? "" : " ", plan.slot(id).name);
  return text;
}

std::string name_of(const Plan& plan, const Step& step) {
  if (!step.covers.empty()) return step.covers;
  return slot_names(plan, step.outputs.empty() ? step.inputs : step.outputs);
}

/// Collects the steps of one batch and what a faster plan would have done about them.
class Explainer {
 public:
  Explainer(const Plan& plan, const PlanSizes& sizes, const Target& target)
      : plan_(plan), sizes_(sizes), target_(target) {
    for_each_step(plan_.steps, [&](const Step& step, int) {
      positions_.emplace(&step, static_cast<std::int32_t>(positions_.size()));
    });
  }

  PlanExplanation run() {
    const auto epoch = std::find_if(plan_.steps.begin(), plan_.steps.end(),
                                    [](const Step& s) { return s.kernel == Kernel::loop; });
    walk(epoch == plan_.steps.end() ? plan_.steps : epoch->body, 0);
    return std::move(result_);
  }

 private:
  void walk(const std::vector<Step>& steps, int depth) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const Step& step = steps[i];
      result_.steps.push_back(explained(step, depth));
      refuse(step, depth);
      refuse_for_probe(steps, i);
      walk(step.body, depth + 1);
    }
  }

  /// What a step keeps in memory because the steps after it probe it.
  void refuse_for_probe(const std::vector<Step>& steps, std::size_t i) {
    if (steps[i].kernel != Kernel::sum && steps[i].kernel != Kernel::correlate) return;
    const SlotId value = steps[i].outputs.at(0);
    for (std::size_t j = i + 1; j < steps.size(); ++j) {
      const Step& later = steps[j];
      if (later.kernel == Kernel::probe && later.inputs.at(0) == value) {
        result_.not_done.push_back(
            {fmt::format("not fused: {}", name_of(plan_, steps[i])),
             fmt::format("it is probed as {}", std::get<NamesAttributes>(later.attributes).names.at(0))});
        return;
      }
      if (std::find(later.outputs.begin(), later.outputs.end(), value) != later.outputs.end()) return;
    }
  }

  StepExplanation explained(const Step& step, int depth) const {
    StepExplanation e;
    e.name = name_of(plan_, step);
    e.ops = ops_of(step);
    e.kernel = name_in(kernel_names, step.kernel);
    const std::string in = storages(plan_, step.inputs), out = storages(plan_, step.outputs);
    e.layout = in.empty() ? out : out.empty() ? in : fmt::format("{} -> {}", in, out);
    e.why = step.kernel == Kernel::scan ? scan_note(step) : step.why;
    e.depth = depth;
    if (step.threads != Threads::one) e.threads = target_.cores;
    e.position = positions_.at(&step);
    if (step.body.empty()) {
      const Cost cost = cost_of(plan_, step, sizes_);
      e.flops = cost.flops;
      e.bytes = cost.bytes;
      e.estimated_us = estimated_us(target_, cost.flops, cost.bytes);
    }
    return e;
  }

  std::string scan_note(const Step& step) const {
    std::string text = fmt::format("%{} iterations", plan_.slot(step.inputs.at(0)).name);
    std::vector<SlotId> watched;
    for (const std::int32_t i : until(step))
      watched.push_back(step.arguments.at(static_cast<std::size_t>(i)));
    if (!watched.empty()) text += fmt::format(", fewer once {} stays as it is", slot_names(plan_, watched));
    return text;
  }

  static std::vector<std::int32_t> until(const Step& step) {
    const auto* scan = std::get_if<ScanAttributes>(&step.attributes);
    return scan ? scan->until_unchanged : std::vector<std::int32_t>{};
  }

  void refuse(const Step& step, int depth) {
    const std::string name = name_of(plan_, step);
    const auto add = [&](std::string what, std::string why) {
      result_.not_done.push_back({std::move(what), std::move(why)});
    };
    switch (step.kernel) {
      case Kernel::reference:
        add(fmt::format("no kernel: {} = {}", name, name_with_edge(step.op, step.attributes)), step.why);
        break;
      case Kernel::copy: add(fmt::format("not in place: {}", name), step.why); break;
      case Kernel::load:
      case Kernel::store: add(fmt::format("another layout: {}", name), step.why); break;
      case Kernel::correlate:
        add(fmt::format("not fused with its optimizer step: {}", ops_of(step).back()), step.why);
        break;
      case Kernel::scan:
        if (until(step).empty()) add(fmt::format("no early end: scan of {}", name), why_no_exit(step));
        break;
      default: break;
    }
    if (depth > 0) refuse_advance(step, name);
  }

  /// Messages that are computed from every sender in every iteration.
  void refuse_advance(const Step& step, const std::string& name) {
    if (step.op != OpKind::message || step.kernel == Kernel::quantise) return;
    const auto* message = std::get_if<MessageAttributes>(&step.attributes);
    if (!message) return;
    result_.not_done.push_back(
        {fmt::format("not advanced: {} = {}", name, name_with_edge(step.op, step.attributes)),
         message->fixed ? "no earlier message of this state is carried from iteration to iteration"
                        : "the sender is real-valued or the row is float32: a sum with one order can't be "
                          "changed in part"});
  }

  static std::string why_no_exit(const Step& step) {
    bool probed = false;
    for_each_step(step.body,
                  [&](const Step& inner, int) { probed = probed || inner.kernel == Kernel::probe; });
    return probed ? "its iterations are probed"
                  : "not shown that unchanged states leave every later iteration as it is";
  }

  const Plan& plan_;
  const PlanSizes& sizes_;
  const Target& target_;
  std::map<const Step*, std::int32_t> positions_;
  PlanExplanation result_;
};

/// A count with three digits and a prefix, "5.02 M".
std::string scaled(double count) {
  constexpr std::array<std::string_view, 5> prefixes{"", "k", "M", "G", "T"};
  std::size_t prefix = 0;
  while (count >= 999.5 && prefix + 1 < prefixes.size()) {
    count /= 1000;
    ++prefix;
  }
  return fmt::format("{:.3g} {}", count, prefixes[prefix]);
}

std::string to_text(const Target& t) {
  std::string text = fmt::format("target: {} {}, {}, vectors of {} floats", t.cores,
                                 t.cores == 1 ? "core" : "cores", name_of(t.isa), t.vector_floats());
  for (const auto& [name, bytes] : {std::pair{"L1", t.l1}, {"L2", t.l2}, {"L3", t.l3}}) {
    if (bytes > 0) text += fmt::format(", {} {} KiB", name, bytes / 1024);
  }
  return text + "\n";
}

std::string to_text(const StepExplanation& s) {
  const std::string indent(static_cast<std::size_t>(2 * s.depth + 2), ' ');
  std::string text = fmt::format("{}{}: {}", indent, s.name, s.kernel);
  if (!s.ops.empty()) text += fmt::format(" ({})", fmt::join(s.ops, ", "));
  text += fmt::format("\n{}    {}", indent, s.layout);
  if (s.flops > 0) text += fmt::format("; {}flop", scaled(s.flops));
  if (s.bytes > 0) text += fmt::format("; {}B", scaled(s.bytes));
  if (s.estimated_us) text += fmt::format("; at least {:.3g} us", *s.estimated_us);
  if (s.measured_us) {
    text += fmt::format("\n{}    measured {:.3g} us", indent, *s.measured_us);
    if (*s.runs != 1) text += fmt::format(" in {:.3g} runs", *s.runs);
    if (s.roofline) text += fmt::format(", {:.0f} % of the roofline", 100 * *s.roofline);
  }
  if (!s.why.empty()) text += fmt::format("\n{}    {}", indent, s.why);
  return text + "\n";
}

std::string to_text(std::string_view title, std::int64_t batch, const PlanExplanation& p) {
  std::string text = fmt::format("\n{}, a batch of {}:\n", title, batch);
  for (const StepExplanation& step : p.steps) text += to_text(step);
  double measured = 0;
  for (const StepExplanation& step : p.steps) measured += step.measured_us.value_or(0);
  if (measured > 0) text += fmt::format("{}, measured: {:.1f} us a batch\n", title, measured);
  if (!p.seen.empty()) text += fmt::format("{}, seen:\n", title);
  for (const Observation& o : p.seen) text += fmt::format("  {}: {}\n", o.what, o.value);
  if (!p.not_done.empty()) text += fmt::format("{}, not done:\n", title);
  for (const NotDone& n : p.not_done) text += fmt::format("  {}: {}\n", n.what, n.why);
  return text;
}

nlohmann::ordered_json to_json(const Target& t) {
  return {{"cores", t.cores}, {"isa", name_of(t.isa)}, {"vector_floats", t.vector_floats()},
          {"l1_bytes", t.l1}, {"l2_bytes", t.l2},      {"l3_bytes", t.l3}};
}

nlohmann::ordered_json to_json(const PlanExplanation& p) {
  nlohmann::ordered_json steps = nlohmann::ordered_json::array(), not_done = nlohmann::ordered_json::array();
  for (const StepExplanation& s : p.steps) {
    nlohmann::ordered_json step = {{"name", s.name},     {"ops", s.ops},         {"kernel", s.kernel},
                                   {"layout", s.layout}, {"threads", s.threads}, {"why", s.why},
                                   {"flops", s.flops},   {"bytes", s.bytes}};
    step["estimated_us"] =
        s.estimated_us ? nlohmann::ordered_json(*s.estimated_us) : nlohmann::ordered_json();
    if (s.measured_us) {
      step["runs"] = *s.runs;
      step["measured_us"] = *s.measured_us;
      step["roofline"] = s.roofline ? nlohmann::ordered_json(*s.roofline) : nlohmann::ordered_json();
    }
    steps.push_back(std::move(step));
  }
  for (const NotDone& n : p.not_done) not_done.push_back({{"what", n.what}, {"why", n.why}});
  nlohmann::ordered_json plan = {{"steps", std::move(steps)}, {"not_done", std::move(not_done)}};
  for (const Observation& o : p.seen) plan["seen"].push_back({{"what", o.what}, {"value", o.value}});
  return plan;
}

/// Sizes of one batch. Lengths of data sets and epochs matter to no step of it but as tables whose rows are
/// read.
PlanSizes sizes_of(const Plan& plan, const Session& session, std::int64_t batch) {
  PlanSizes sizes;
  sizes.batch = batch;
  for (const Slot& slot : plan.slots) {
    for (const Dim& dim : slot.type.dims) {
      if (dim.is_symbolic() && dim != batch_dim) sizes.lengths[dim.symbol] = 1;
    }
  }
  for (const PatternDeclaration& pattern : plan.patterns) {
    for (const auto& [edge, state] : session.edges()) {
      if (to_string(edge) == pattern.name && state.weight.pattern)
        sizes.entries.push_back(state.weight.pattern->entries());
    }
  }
  if (sizes.entries.size() != plan.patterns.size())
    internal_error("plan {}: a pattern belongs to no edge", plan.name);
  return sizes;
}

}  // namespace

PlanExplanation explain(const Plan& plan, const PlanSizes& sizes, const Target& target) {
  return Explainer(plan, sizes, target).run();
}

Explanation explain(const Network& network, std::int64_t batch, const Target& target,
                    const PassOptions& options, const ExplainedProbes& probes) {
  const Session session(network);
  const auto explained = [&](const Graph& lowered) {
    const Plan plan = make_plan(optimise(lowered, options));
    return explain(plan, sizes_of(plan, session, batch), target);
  };
  return {target, batch, explained(lower_train_epoch_probed(network, probes.train)),
          explained(lower_evaluate_epoch_probed(network, probes.evaluate))};
}

std::string to_text(const Explanation& e) {
  return to_text(e.target) + to_text("train", e.batch, e.train) + to_text("evaluate", e.batch, e.evaluate);
}

nlohmann::ordered_json to_json(const Explanation& e) {
  return {{"target", to_json(e.target)}, {"train", to_json(e.train)}, {"evaluate", to_json(e.evaluate)}};
}

}  // namespace relaxon
