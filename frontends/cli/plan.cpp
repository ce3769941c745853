// relaxon plan FILE
#include "passes/plan/plan.hpp"

#include <memory>
#include <string>

#include "core/error.hpp"
#include "frontends/cli/command.hpp"
#include "frontends/cli/options.hpp"
#include "frontends/cli/output.hpp"
#include "ir/text.hpp"
#include "passes/lower.hpp"
#include "passes/pipeline.hpp"
#include "runtime/jit/code.hpp"

namespace relaxon::cli {
namespace {

struct PlanOptions {
  NetworkOptions network;
  std::string stage = "planned", what = "train", emit = "text";
  std::string passes = "default", after;
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

int plan(const PlanOptions& options) {
  PassOptions passes;
  passes.selection = passes_named("--opt", options.passes);
  const Network network = options.network.load().network;
  const Graph lowered = options.what == "train" ? lower_train_epoch(network) : lower_evaluate_epoch(network);
  if (!options.after.empty()) {
    print_out(print(graph_after(lowered, passes, options.after)));
  } else if (options.stage == "lowered") {
    print_out(print(lowered));
  } else if (options.stage == "optimised") {
    print_out(print(optimise(lowered, passes)));
  } else if (options.emit == "text") {
    print_out(print(make_plan(optimise(lowered, passes))));
  } else {
    print_out(generated(make_plan(optimise(lowered, passes)), options.emit));
  }
  return exit_done;
}

}  // namespace

Command add_plan(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("plan", "Print the plan of an epoch of training or evaluation");
  const auto options = std::make_shared<PlanOptions>();
  options->network.add_to(*parser);
  parser->add_option("--stage", options->stage, "How far the plan has come")
      ->capture_default_str()
      ->check(CLI::IsMember({"lowered", "optimised", "planned"}));
  parser->add_option("--what", options->what, "Which plan")
      ->capture_default_str()
      ->check(CLI::IsMember({"train", "evaluate"}));
  parser->add_option("--emit", options->emit, "Form of the output; llvm, asm: the functions of backend jit")
      ->capture_default_str()
      ->check(CLI::IsMember({"text", "llvm", "asm"}));
  parser->add_option("--opt", options->passes, "Passes: default, none, a list a,b or default,-a")
      ->type_name("PASSES")
      ->capture_default_str();
  parser->add_option("--after", options->after, "Print the graph after this pass instead")->type_name("PASS");
  return {parser, [options] { return plan(*options); }};
}

}  // namespace relaxon::cli
