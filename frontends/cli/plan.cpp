// relaxon plan FILE
#include <memory>
#include <string>

#include "frontends/cli/command.hpp"
#include "frontends/cli/options.hpp"
#include "frontends/cli/output.hpp"
#include "ir/text.hpp"
#include "passes/lower.hpp"

namespace relaxon::cli {
namespace {

struct PlanOptions {
  NetworkOptions network;
  std::string stage = "lowered", what = "train", emit = "text";
};

int plan(const PlanOptions& options) {
  const Network network = options.network.load().network;
  print_out(print(options.what == "train" ? lower_train_step(network) : lower_evaluate_step(network)));
  return exit_done;
}

}  // namespace

Command add_plan(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("plan", "Print what a training or evaluation step computes");
  const auto options = std::make_shared<PlanOptions>();
  options->network.add_to(*parser);
  parser->add_option("--stage", options->stage, "How far the plan has come")
      ->capture_default_str()
      ->check(CLI::IsMember({"lowered"}));
  parser->add_option("--what", options->what, "Which step")
      ->capture_default_str()
      ->check(CLI::IsMember({"train", "evaluate"}));
  parser->add_option("--emit", options->emit, "Form of the output")
      ->capture_default_str()
      ->check(CLI::IsMember({"text"}));
  return {parser, [options] { return plan(*options); }};
}

}  // namespace relaxon::cli
