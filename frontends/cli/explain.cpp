// relaxon explain FILE
#include "frontends/explain.hpp"

#include <memory>

#include "frontends/analyze.hpp"
#include "frontends/cli/command.hpp"
#include "frontends/cli/options.hpp"
#include "frontends/cli/output.hpp"
#include "frontends/compile_report.hpp"
#include "runtime/target.hpp"

namespace relaxon::cli {
namespace {

struct ExplainOptions {
  NetworkOptions network;
  ProbeOptions probes;
  TargetOption target;
  bool json = false, analyze = false, compile_report = false;
  std::int64_t after_steps = AnalyzeOptions{}.after_steps, steps = AnalyzeOptions{}.steps;
};

std::vector<Probe> file_probes(const std::vector<ProbeFile>& files) {
  std::vector<Probe> probes;
  for (const ProbeFile& f : files) probes.push_back(f.probe);
  return probes;
}

/// What a training and an evaluation compile, by backend jit where this build has it.
int report_compilation(const ExplainOptions& options, const NetworkFile& file, const Target& target) {
  SessionOptions how;
  how.backend = has_backend(Backend::jit) ? Backend::jit : Backend::kernels;
  how.plan.target = target;
  how.plan.batch = file.data.batch_size;
  Session session(file.network, how);
  session.prepare();
  const CompileReport& report = session.compile_report();
  print_out(options.json ? to_json(report).dump() + "\n" : to_text(report));
  return exit_done;
}

int explain(const ExplainOptions& options) {
  const NetworkFile file = options.network.load();
  const ExplainedProbes probes{options.probes.values(file, false), file_probes(file.probes.evaluation)};
  const std::optional<Target> chosen = options.target.chosen();
  if (options.compile_report) return report_compilation(options, file, chosen.value_or(host_target()));
  const Explanation explanation =
      options.analyze
          ? analyze(file, load_data(file, options.network.file),
                    {.target = chosen, .after_steps = options.after_steps, .steps = options.steps}, probes)
          : relaxon::explain(file.network, file.data.batch_size, chosen.value_or(host_target()), {}, probes);
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
  options->target.add_to(*parser);
  parser->add_flag("--analyze", options->analyze, "Run it: measured times, flips, skipped columns");
  constexpr std::int64_t most = 1'000'000;
  expect_integer(*parser->add_option("--after-steps", options->after_steps, "Batches trained before")
                      ->capture_default_str(),
                 0, most);
  expect_integer(*parser->add_option("--steps", options->steps, "Batches measured")->capture_default_str(), 1,
                 most);
  parser->add_flag("--compile-report", options->compile_report,
                   "Instead: what is compiled or comes from the cache, the time of each stage, and why");
  parser->add_flag("--json", options->json, "Print one JSON object");
  return {parser, [options] { return explain(*options); }};
}

}  // namespace relaxon::cli
