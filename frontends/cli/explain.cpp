// relaxon explain FILE
#include "frontends/explain.hpp"

#include <memory>

#include "frontends/analyze.hpp"
#include "frontends/cli/command.hpp"
#include "frontends/cli/options.hpp"
#include "frontends/cli/output.hpp"

namespace relaxon::cli {
namespace {

struct ExplainOptions {
  NetworkOptions network;
  ProbeOptions probes;
  bool json = false, analyze = false;
  std::int64_t after_steps = AnalyzeOptions{}.after_steps, steps = AnalyzeOptions{}.steps;
};

std::vector<Probe> file_probes(const std::vector<ProbeFile>& files) {
  std::vector<Probe> probes;
  for (const ProbeFile& f : files) probes.push_back(f.probe);
  return probes;
}

int explain(const ExplainOptions& options) {
  const NetworkFile file = options.network.load();
  const ExplainedProbes probes{options.probes.values(file, false), file_probes(file.probes.evaluation)};
  const Explanation explanation =
      options.analyze ? analyze(file, load_data(file, options.network.file),
                                {.after_steps = options.after_steps, .steps = options.steps}, probes)
                      : relaxon::explain(file.network, file.data.batch_size, host_target(), {}, probes);
  print_out(options.json ? to_json(explanation).dump() + "\n" : to_text(explanation));
  return exit_done;
}

}  // namespace

Command add_explain(CLI::App& app) {
  CLI::App* parser =
      app.add_subcommand("explain", "Show what each step of training and evaluation costs, and why");
  const auto options = std::make_shared<ExplainOptions>();
  options->network.add_to(*parser);
  options->probes.add_to(*parser, false);
  parser->add_flag("--analyze", options->analyze, "Run it: measured times, flips, skipped columns");
  constexpr std::int64_t most = 1'000'000;
  expect_integer(*parser->add_option("--after-steps", options->after_steps, "Batches trained before")
                      ->capture_default_str(),
                 0, most);
  expect_integer(*parser->add_option("--steps", options->steps, "Batches measured")->capture_default_str(), 1,
                 most);
  parser->add_flag("--json", options->json, "Print one JSON object");
  return {parser, [options] { return explain(*options); }};
}

}  // namespace relaxon::cli
