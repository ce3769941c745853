// relaxon explain FILE
#include "frontends/explain.hpp"

#include <memory>

#include "frontends/cli/command.hpp"
#include "frontends/cli/options.hpp"
#include "frontends/cli/output.hpp"

namespace relaxon::cli {
namespace {

struct ExplainOptions {
  NetworkOptions network;
  ProbeOptions probes;
  bool json = false;
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
      relaxon::explain(file.network, file.data.batch_size, host_target(), {}, probes);
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
  parser->add_flag("--json", options->json, "Print one JSON object");
  return {parser, [options] { return explain(*options); }};
}

}  // namespace relaxon::cli
