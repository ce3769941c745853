// relaxon evaluate FILE
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "frontends/cli/command.hpp"
#include "frontends/cli/options.hpp"
#include "frontends/cli/output.hpp"
#include "runtime/checkpoint.hpp"
#include "runtime/trainer.hpp"

namespace relaxon::cli {
namespace {

struct EvaluateOptions {
  NetworkOptions network;
  RunOptions run;
  ProbeOptions probes;
  std::string checkpoint;
};

int evaluate(const EvaluateOptions& options) {
  CompileOptions compile_options = options.run.compile_options();
  const NetworkFile file = options.network.load();
  compile_options.plan.batch = file.data.batch_size;
  Session session(file.network, compile_options);
  if (!options.checkpoint.empty()) restore(session, load_checkpoint(options.checkpoint), options.checkpoint);
  const Dataset data = load_data(file, options.network.file, options.run.thread_count());
  const std::vector<ProbeFile> probes = options.probes.files(file, true);
  Recorder recorder;
  options.probes.record(session, file, true, recorder);
  Trainer trainer(session, data, file.data, {});
  const auto start = std::chrono::steady_clock::now();
  const double accuracy = trainer.evaluate();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!recorder.names().empty()) save(recorder, probes, {});
  if (options.run.json) {
    print_line(nlohmann::ordered_json{{"event", "evaluate"},
                                      {"test_accuracy", accuracy},
                                      {"images", data.test.images()},
                                      {"eval_seconds", seconds},
                                      {"digest", session.digest()}}
                   .dump());
  } else {
    print_line(
        fmt::format("test accuracy {:.4f} ({} images, {:.1f} s)", accuracy, data.test.images(), seconds));
  }
  return exit_done;
}

}  // namespace

Command add_evaluate(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("evaluate", "Print the test accuracy, untrained or of a checkpoint");
  const auto options = std::make_shared<EvaluateOptions>();
  options->network.add_to(*parser);
  parser->add_option("--checkpoint", options->checkpoint, "checkpoint.safetensors of a training");
  options->probes.add_to(*parser, true);
  options->run.add_to(*parser);
  return {parser, [options] { return evaluate(*options); }};
}

}  // namespace relaxon::cli
