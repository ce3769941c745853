// relaxon plan FILE
#include "passes/plan/plan.hpp"

#include <functional>
#include <memory>
#include <string>

#include "core/error.hpp"
#include "frontends/cli/child.hpp"
#include "frontends/cli/command.hpp"
#include "frontends/cli/options.hpp"
#include "frontends/cli/output.hpp"
#include "frontends/view/diff.hpp"
#include "frontends/view/dot.hpp"
#include "frontends/view/json.hpp"
#include "ir/text.hpp"
#include "passes/lower.hpp"
#include "passes/pipeline.hpp"
#include "passes/plan/evaluation_batch.hpp"
#include "runtime/jit/code.hpp"
#include "runtime/session.hpp"

namespace relaxon::cli {
namespace {

struct PlanCommand {
  NetworkOptions network;
  ProbeOptions probes;
  TargetOption target;
  std::string stage = "planned", what = "train", emit = "text";
  std::string passes = "default", after;
  bool print_after_all = false;
};

/// The graph as it stands after the last run of a pass.
Graph graph_after(const Graph& lowered, PassOptions options, const std::string& pass) {
  if (!options.selection.contains(pass))
    throw UsageError(fmt::format("--after: {} is not a pass that runs", pass));
  Graph after = lowered;
  Graph current = lowered;
  options.observer = [&](const PassRecord& record, const Graph& graph) {
    current = graph;
    if (record.name == pass) after = current;
  };
  optimise(lowered, options);
  return after;
}

/// The lowered graph, then what each pass changed, then the plan.
void print_changes(const Graph& lowered, PassOptions options,
                   const std::function<Plan(const Graph&)>& planned) {
  std::string before = print(lowered);
  print_out(fmt::format("-- lowered, {} ops\n{}", lowered.op_count(), before));
  options.observer = [&](const PassRecord& record, const Graph& graph) {
    std::string after = print(graph);
    print_out(fmt::format("\n-- after {}, {} ops -> {}\n{}", record.name, record.ops_before, record.ops_after,
                          difference(before, after)));
    before = std::move(after);
  };
  print_out(fmt::format("\n-- planned\n{}", print(planned(optimise(lowered, options)))));
}

std::string svg(const Outline& shown) {
  const ChildResult image = run_child({"dot", "-Tsvg"}, to_dot(shown));
  if (image.failure) fail("--emit svg: {} (Debian package graphviz)", *image.failure);
  if (image.out.find("</svg>") == std::string::npos) fail("--emit svg: dot gave no image");
  return image.out;
}

template <class Stage>
void show(const std::string& emit, const Stage& stage, const Outline& shown) {
  if (emit == "json") return print_out(to_json(shown).dump() + "\n");
  print_out(emit == "svg" ? svg(shown) : print(stage));
}

/// The functions that backend jit makes for a plan on this machine.
std::string generated(const Plan& plan, const std::string& form) {
  if (!jit::available())
    throw UsageError(fmt::format("--emit {}: this build has no JIT (it was made without LLVM)", form));
  const Isa isa = best_isa();
  const char* comment = form == "llvm" ? ";" : "#";
  std::string text;
  for (const std::string& step : jit::left_out(plan, isa))
    text += fmt::format("{} not generated: {}\n", comment, step);
  return text + jit::emit(jit::named_operations(plan, isa), isa,
                          form == "llvm" ? jit::Emit::llvm : jit::Emit::assembly);
}

/// As a training of the file would plan it, or its evaluation in the batches it chooses.
Plan planned(const PlanCommand& command, const NetworkFile& file, const Graph& optimised) {
  PlanOptions options = Session(file.network).options().plan;  // with the connections of its weights
  options.target = command.target.target();
  options.batch = file.data.batch_size;
  const bool probed = !command.probes.values(file, command.what == "evaluate").empty();
  if (command.what == "evaluate" && !probed) options.batch = evaluation_batch(optimised, options).images;
  return make_plan(optimised, options);
}

int plan(const PlanCommand& options) {
  if (options.print_after_all && (options.emit != "text" || !options.after.empty()))
    throw UsageError("--print-after-all goes with neither --emit nor --after");
  const bool code = options.emit == "llvm" || options.emit == "asm";
  if (code && (options.stage != "planned" || !options.after.empty()))
    throw UsageError(fmt::format("--emit {}: only of the planned stage", options.emit));
  PassOptions passes;
  passes.selection = passes_named("--opt", options.passes);
  const NetworkFile file = options.network.load();
  const bool evaluation = options.what == "evaluate";
  const std::vector<Probe> probes = options.probes.values(file, evaluation);
  const Graph lowered = evaluation ? lower_evaluate_epoch_probed(file.network, probes)
                                   : lower_train_epoch_probed(file.network, probes);
  const auto planned_for = [&](const Graph& optimised) { return planned(options, file, optimised); };
  if (options.print_after_all) {
    print_changes(lowered, passes, planned_for);
  } else if (!options.after.empty()) {
    const Graph graph = graph_after(lowered, passes, options.after);
    show(options.emit, graph, outline(graph, "after " + options.after));
  } else if (options.stage == "lowered") {
    show(options.emit, lowered, outline(lowered, options.stage));
  } else if (options.stage == "optimised") {
    const Graph graph = optimise(lowered, passes);
    show(options.emit, graph, outline(graph, options.stage));
  } else {
    const Plan plan = planned_for(optimise(lowered, passes));
    if (code) {
      print_out(generated(plan, options.emit));
    } else {
      show(options.emit, plan, outline(plan));
    }
  }
  return exit_done;
}

}  // namespace

Command add_plan(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("plan", "Print the plan of an epoch of training or evaluation");
  const auto options = std::make_shared<PlanCommand>();
  options->network.add_to(*parser);
  options->probes.add_to(*parser, false);
  options->target.add_to(*parser);
  parser->add_option("--stage", options->stage, "How far the plan has come")
      ->capture_default_str()
      ->check(CLI::IsMember({"lowered", "optimised", "planned"}));
  parser->add_option("--what", options->what, "Which plan")
      ->capture_default_str()
      ->check(CLI::IsMember({"train", "evaluate"}));
  parser->add_option("--emit", options->emit, "Form of the output; llvm, asm: the functions of backend jit")
      ->capture_default_str()
      ->check(CLI::IsMember({"text", "json", "svg", "llvm", "asm"}));
  parser->add_flag("--print-after-all", options->print_after_all,
                   "Print the lowered graph, what each pass changes, and the plan");
  parser->add_option("--opt", options->passes, "Passes: default, none, a list a,b or default,-a")
      ->type_name("PASSES")
      ->capture_default_str();
  parser->add_option("--after", options->after, "Print the graph after this pass instead")->type_name("PASS");
  return {parser, [options] { return plan(*options); }};
}

}  // namespace relaxon::cli
