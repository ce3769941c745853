// relaxon explain FILE
#include "frontends/explain.hpp"

#include <memory>

#include "frontends/analyze.hpp"
#include "frontends/cli/command.hpp"
#include "frontends/cli/options.hpp"
#include "frontends/cli/output.hpp"
#include "frontends/compile_report.hpp"

namespace relaxon::cli {
namespace {

struct ExplainOptions {
  NetworkOptions network;
  ProbeOptions probes;
  RunOptions run;
  bool analyze = false, compile_report = false;
  std::int64_t after_steps = AnalyzeOptions{}.after_steps, steps = AnalyzeOptions{}.steps;
};

std::vector<Probe> file_probes(const std::vector<ProbeFile>& files) {
  std::vector<Probe> probes;
  for (const ProbeFile& f : files) probes.push_back(f.probe);
  return probes;
}

/// What a training and an evaluation compile.
int report_compilation(const ExplainOptions& options, const NetworkFile& file, CompileOptions how) {
  how.plan.batch = file.data.batch_size;
  Session session(file.network, how);
  session.prepare();
  const CompileReport& report = session.compile_report();
  print_out(options.run.json ? to_json(report).dump() + "\n" : to_text(report));
  return exit_done;
}

/// Plans are made for the cores there are and timed on one thread, unless --threads says for and on how many.
CompileOptions compile_options(const RunOptions& run) {
  CompileOptions options = run.compile_options();
  if (options.backend == Backend::interpreter)
    throw UsageError("--backend: the interpreter runs no plan; expected kernels or jit");
  if (!run.threads) options.team = nullptr;
  return options;
}

int explain(const ExplainOptions& options) {
  const CompileOptions how = compile_options(options.run);
  const NetworkFile file = options.network.load();
  if (options.compile_report) return report_compilation(options, file, how);
  const ExplainedProbes probes{options.probes.values(file, false), file_probes(file.probes.evaluation)};
  Explanation explanation;
  if (options.analyze) {
    explanation = analyze(file, load_data(file, options.network.file, options.run.thread_count()),
                          {.compile = how,
                           .target = options.run.target.chosen(),
                           .after_steps = options.after_steps,
                           .steps = options.steps},
                          probes);
  } else {
    Target target = how.plan.target;
    if (options.run.threads) target.cores = options.run.thread_count();
    explanation = relaxon::explain(file.network, file.data.batch_size, target, how, probes);
  }
  print_out(options.run.json ? to_json(explanation).dump() + "\n" : to_text(explanation));
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
  parser->add_flag("--compile-report", options->compile_report,
                   "Instead: what is compiled or comes from the cache, the time of each stage, and why");
  options->run.add_to(*parser, "the cores there are; with --analyze one");
  return {parser, [options] { return explain(*options); }};
}

}  // namespace relaxon::cli
