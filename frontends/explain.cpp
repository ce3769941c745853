#include "frontends/explain.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>

#include "core/error.hpp"
#include "ir/op_info.hpp"
#include "passes/lower.hpp"
#include "passes/plan/sharing.hpp"
#include "runtime/jit/code.hpp"
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
  if (step.kernel == Kernel::update) {
    const std::size_t correlations = correlations_of(step).size();
    ops.assign(correlations, name_with_edge(OpKind::correlate, step.region));
    if (correlations == 2) ops.emplace_back(info(OpKind::subtract).name);
  }
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
  Explainer(const Plan& plan, const PlanSizes& sizes, const Target& target, std::vector<StepRates> rates,
            int threads)
      : plan_(plan),
        sizes_(sizes),
        target_(target),
        model_(plan, sizes, target),
        rates_(std::move(rates)),
        threads_(threads) {
    if (rates_.empty()) rates_ = default_rates(plan_);
    for_each_step(plan_.steps, [&](const Step& step, int) {
      positions_.emplace(&step, static_cast<std::int32_t>(positions_.size()));
      by_samples_ = by_samples_ || step.threads == Threads::samples;
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
    const StepRates& rates = rates_.at(static_cast<std::size_t>(e.position));
    e.estimated_runs = rates.runs;
    e.estimated_us = rates.runs * run_us(step, rates);
    e.choices = choices(step, rates);
    if (step.body.empty()) {
      const Cost cost = cost_of(plan_, step, sizes_);
      e.flops = cost.flops;
      e.bytes = cost.bytes;
    }
    return e;
  }

  /// One run where so many threads run the plan.
  double run_us(const Step& step, const StepRates& rates) const {
    if (step.threads != Threads::one && !by_samples_ && threads_ > 1)
      return model_.shared_us(step, rates, threads_);
    return model_.run_us(step, rates) / (by_samples_ ? threads_ : 1);
  }

  /// What the model has decided about a step.
  std::vector<std::string> choices(const Step& step, const StepRates& rates) const {
    std::vector<std::string> all;
    if (step.kernel == Kernel::follow && step.whole_from > 0) {
      const CostModel::Follow f = model_.follow(step);
      const bool sparse = plan_.slot(step.inputs.at(3)).storage == Storage::columns_fixed;
      all.push_back(
          fmt::format("whole from {} changed senders of a {}: whole {:.3g} us, {:.3g} us a changed sender",
                      step.whole_from, sparse ? "panel" : "sample", f.whole_us, f.sender_us));
    }
    const Threads way = way_to_share(plan_, step);
    if (target_.cores > 1 && !by_samples_ && way != Threads::one && way != Threads::samples) {
      const double alone = model_.run_us(step, rates), shared = model_.shared_us(step, rates, target_.cores);
      all.push_back(fmt::format("{}: a run {:.3g} us on {} threads, {:.3g} us on one",
                                step.threads == Threads::one
                                    ? "on one thread"
                                    : fmt::format("shared by {}", name_in(threads_names, step.threads)),
                                shared, target_.cores, alone));
    }
    return all;
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

  /// Whether some message is added to what a slot holds, which then has to stay.
  bool is_base(SlotId slot) const {
    bool found = false;
    for_each_step(plan_.steps, [&](const Step& step, int) { found |= follow_base(step) == slot; });
    return found;
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
      case Kernel::copy:
        if (!is_base(step.inputs[0])) add(fmt::format("not in place: {}", name), step.why);
        break;
      case Kernel::load:
      case Kernel::store:
      case Kernel::turn: add(fmt::format("another layout: {}", name), step.why); break;
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
  CostModel model_;
  std::vector<StepRates> rates_;
  int threads_;
  bool by_samples_ = false;  // threads share the batches: nothing else to share
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

/// A time in a batch, and of how many runs.
std::string time_text(double us, double runs) {
  return fmt::format("{:.3g} us{}", us, runs == 1 ? "" : fmt::format(" in {:.3g} runs", runs));
}

std::string to_text(const StepExplanation& s) {
  const std::string indent(static_cast<std::size_t>(2 * s.depth + 2), ' ');
  std::string text = fmt::format("{}{}: {}", indent, s.name, s.kernel);
  if (!s.ops.empty()) text += fmt::format(" ({})", fmt::join(s.ops, ", "));
  text += fmt::format("\n{}    {}", indent, s.layout);
  if (s.flops > 0) text += fmt::format("; {}flop", scaled(s.flops));
  if (s.bytes > 0) text += fmt::format("; {}B", scaled(s.bytes));
  text += fmt::format("; estimated {}", time_text(s.estimated_us, s.estimated_runs));
  if (s.measured_us) {
    text += fmt::format("\n{}    measured {}", indent, time_text(*s.measured_us, *s.runs));
    if (s.roofline) text += fmt::format(", {:.0f} % of the roofline", 100 * *s.roofline);
  }
  if (!s.why.empty()) text += fmt::format("\n{}    {}", indent, s.why);
  for (const std::string& choice : s.choices) text += fmt::format("\n{}    {}", indent, choice);
  for (const Observation& o : s.seen) text += fmt::format("\n{}    {}: {}", indent, o.what, o.value);
  return text + "\n";
}

std::string to_text(std::string_view title, std::int64_t batch, const std::string& why,
                    const PlanExplanation& p) {
  std::string text = fmt::format("\n{}, a batch of {}:\n", title, batch);
  if (!why.empty()) text += fmt::format("  {}\n", why);
  double measured = 0, estimated = 0;
  for (const StepExplanation& step : p.steps) {
    text += to_text(step);
    estimated += step.estimated_us;
    measured += step.measured_us.value_or(0);
  }
  if (estimated > 0) text += fmt::format("{}, estimated: {:.1f} us a batch\n", title, estimated);
  if (measured > 0) text += fmt::format("{}, measured: {:.1f} us a batch\n", title, measured);
  if (!p.seen.empty()) text += fmt::format("{}, seen:\n", title);
  for (const Observation& o : p.seen) text += fmt::format("  {}: {}\n", o.what, o.value);
  if (!p.not_done.empty()) text += fmt::format("{}, not done:\n", title);
  for (const NotDone& n : p.not_done) text += fmt::format("  {}: {}\n", n.what, n.why);
  return text;
}

nlohmann::ordered_json to_json(const Target& t) {
  return {
      {"text", print(t)}, {"cores", t.cores}, {"isa", name_of(t.isa)}, {"vector_floats", t.vector_floats()},
      {"l1_bytes", t.l1}, {"l2_bytes", t.l2}, {"l3_bytes", t.l3}};
}

nlohmann::ordered_json to_json(const std::vector<Observation>& seen) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Observation& o : seen) list.push_back({{"what", o.what}, {"value", o.value}});
  return list;
}

nlohmann::ordered_json to_json(const PlanExplanation& p) {
  nlohmann::ordered_json steps = nlohmann::ordered_json::array(), not_done = nlohmann::ordered_json::array();
  for (const StepExplanation& s : p.steps) {
    nlohmann::ordered_json step = {{"name", s.name},
                                   {"ops", s.ops},
                                   {"kernel", s.kernel},
                                   {"layout", s.layout},
                                   {"threads", s.threads},
                                   {"why", s.why},
                                   {"choices", s.choices},
                                   {"flops", s.flops},
                                   {"bytes", s.bytes},
                                   {"estimated_runs", s.estimated_runs},
                                   {"estimated_us", s.estimated_us}};
    if (s.measured_us) {
      step["runs"] = *s.runs;
      step["measured_us"] = *s.measured_us;
      step["roofline"] = s.roofline ? nlohmann::ordered_json(*s.roofline) : nlohmann::ordered_json();
      step["seen"] = to_json(s.seen);
    }
    steps.push_back(std::move(step));
  }
  for (const NotDone& n : p.not_done) not_done.push_back({{"what", n.what}, {"why", n.why}});
  nlohmann::ordered_json plan = {{"steps", std::move(steps)}, {"not_done", std::move(not_done)}};
  if (!p.seen.empty()) plan["seen"] = to_json(p.seen);
  return plan;
}

/// How often the phases of a schedule iterate, by the names that their counts are bound to.
std::map<std::string, std::int64_t> iterations_of(const std::vector<Phase>& phases) {
  std::map<std::string, std::int64_t> counts;
  for (std::size_t i = 0; i < phases.size(); ++i)
    counts[fmt::format("iterations/{}", i)] = phases[i].iterations;
  return counts;
}

}  // namespace

EstimateQuality estimate_quality(const Explanation& explanation) {
  EstimateQuality quality;
  for (const PlanExplanation* plan : {&explanation.train, &explanation.evaluate}) {
    for (const StepExplanation& step : plan->steps) {
      if (step.measured_us.value_or(0) <= 0 || step.runs.value_or(0) <= 0) continue;
      ++quality.steps;
      const double ratio = step.estimated_us / *step.measured_us;
      quality.within_two += ratio >= 0.5 && ratio <= 2 ? 1 : 0;
    }
  }
  return quality;
}

PlanExplanation explain(const Plan& plan, const PlanSizes& sizes, const Target& target,
                        std::vector<StepRates> rates, int threads) {
  return Explainer(plan, sizes, target, std::move(rates), threads).run();
}

void add_left_out(PlanExplanation& explanation, const Plan& plan, const CompileOptions& compile) {
  if (compile.backend != Backend::jit) return;
  for (const std::string& step : jit::left_out(plan, compile.isa.value_or(best_isa()))) {
    const std::size_t colon = step.find(": ");
    explanation.not_done.push_back({"not generated: " + step.substr(0, colon), step.substr(colon + 2)});
  }
}

PlanOptions Planned::evaluation() const {
  PlanOptions made_for = options;
  made_for.batch = evaluated.images;
  return made_for;
}

Planned plan_epochs(const Network& network, std::int64_t batch, const Target& target,
                    const PassOptions& options, const ExplainedProbes& probes) {
  const Session session(network);
  Planned planned;
  planned.options = session.options().plan;
  planned.options.target = target;
  planned.options.batch = batch;
  planned.train =
      make_plan(optimise(lower_train_epoch_probed(network, probes.train), options), planned.options);
  const Graph evaluation = optimise(lower_evaluate_epoch_probed(network, probes.evaluate), options);
  planned.evaluated = {.images = batch, .why = {}};
  if (probes.evaluate.empty()) planned.evaluated = evaluation_batch(evaluation, planned.options);
  planned.evaluate = make_plan(evaluation, planned.evaluation());
  planned.train_iterations = iterations_of(network.schedule.phases());
  planned.evaluate_iterations = iterations_of(network.schedule.evaluate);
  return planned;
}

Explanation explain(const Network& network, std::int64_t batch, const Target& target,
                    const CompileOptions& compile, const ExplainedProbes& probes) {
  const Planned p = plan_epochs(network, batch, target, {compile.passes, {}}, probes);
  const int threads = compile.team ? compile.team->size() : 1;
  const auto explained = [&](const Plan& plan, const PlanOptions& made_for,
                             const std::map<std::string, std::int64_t>& iterations) {
    PlanExplanation e =
        explain(plan, sizes_of(plan, made_for), target, default_rates(plan, iterations), threads);
    add_left_out(e, plan, compile);
    return e;
  };
  return {target,
          batch,
          explained(p.train, p.options, p.train_iterations),
          explained(p.evaluate, p.evaluation(), p.evaluate_iterations),
          p.evaluated,
          threads,
          std::string(name_of(compile.backend))};
}

std::string to_text(const Explanation& e) {
  std::string text = fmt::format("target: {}\n", print(e.target));
  text += fmt::format("backend: {}, {} thread{}\n", e.backend, e.threads, e.threads == 1 ? "" : "s");
  text += to_text("train", e.batch, {}, e.train) +
          to_text("evaluate", e.evaluated.images, e.evaluated.why, e.evaluate);
  const EstimateQuality quality = estimate_quality(e);
  if (quality.steps == 0) return text;
  return text +
         fmt::format("\nestimates within 2x of measured: {:.0f} % of {} steps\n",
                     100.0 * static_cast<double>(quality.within_two) / static_cast<double>(quality.steps),
                     quality.steps);
}

nlohmann::ordered_json to_json(const Explanation& e) {
  nlohmann::ordered_json json{{"target", to_json(e.target)}, {"backend", e.backend},
                              {"threads", e.threads},        {"batch", e.batch},
                              {"train", to_json(e.train)},   {"evaluate", to_json(e.evaluate)}};
  json["evaluate"]["batch"] = e.evaluated.images;
  json["evaluate"]["batch_why"] = e.evaluated.why;
  const EstimateQuality quality = estimate_quality(e);
  if (quality.steps > 0) json["estimates"] = {{"steps", quality.steps}, {"within_2x", quality.within_two}};
  return json;
}

}  // namespace relaxon
