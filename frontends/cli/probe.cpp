// relaxon probe FILE
#include <filesystem>
#include <memory>
#include <system_error>

#include "core/error.hpp"
#include "core/file.hpp"
#include "frontends/analysis/analysis.hpp"
#include "frontends/cli/command.hpp"
#include "frontends/cli/options.hpp"
#include "frontends/cli/output.hpp"
#include "frontends/cli/plot.hpp"
#include "runtime/checkpoint.hpp"

namespace relaxon::cli {
namespace {

struct ProbeCommand {
  NetworkOptions network;
  RunOptions run;
  std::string what = "flips", checkpoint, out;
  std::int64_t after_steps = 0, steps = AnalysisOptions{}.steps;
};

Analysis analysis_named(const std::string& name) {
  const auto found = std::ranges::find(analysis_names, name);
  return static_cast<Analysis>(found - analysis_names.begin());
}

/// The table and its picture as files.
void leave(const ProbeCommand& command, const AnalysisTable& table) {
  const std::filesystem::path folder = command.out;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail("{}: cannot make the folder: {}", command.out, error.message());
  write_file_atomically(folder / (command.what + ".csv"), to_csv(table));
  if (const auto failure = draw(table.script, folder / (command.what + ".svg")))
    print_message(fmt::format("no picture: {}", *failure));
}

int probe(const ProbeCommand& command) {
  CompileOptions compile_options = command.run.compile_options();
  const NetworkFile file = command.network.load();
  compile_options.plan.batch = file.data.batch_size;
  Session session(file.network, compile_options);
  if (!command.checkpoint.empty()) restore(session, load_checkpoint(command.checkpoint), command.checkpoint);
  const Dataset data = load_data(file, command.network.file, command.run.thread_count());
  if (data.train.images() < 1) fail("number of train images: expected at least 1, found 0");
  const std::int64_t batch = std::min(file.data.batch_size, data.train.images());
  BatchStream stream(file, data, batch);
  if (command.after_steps > 0)
    session.train(labelled(data.train, data.code), stream.next(command.after_steps), batch);
  const AnalysisTable table =
      analyse(analysis_named(command.what), session, file, data, stream, {command.steps});
  print_out(to_text(table));
  if (!command.out.empty()) leave(command, table);
  return exit_done;
}

}  // namespace

Command add_probe(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("probe", "Look at the dynamics of a few training batches");
  const auto command = std::make_shared<ProbeCommand>();
  command->network.add_to(*parser);
  parser->add_option("--what", command->what, "What to look at: flips, settled, overlap, fields or leak")
      ->type_name("ANALYSIS")
      ->capture_default_str()
      ->check(CLI::IsMember(std::vector<std::string>(analysis_names.begin(), analysis_names.end()))
                  .description(""));
  parser->add_option("--checkpoint", command->checkpoint, "checkpoint.safetensors of a training");
  parser->add_option("--out", command->out, "Folder for the table and its picture")->type_name("DIR");
  constexpr std::int64_t most = 1'000'000;
  expect_integer(*parser->add_option("--after-steps", command->after_steps, "Batches trained before")
                      ->capture_default_str(),
                 0, most);
  expect_integer(*parser->add_option("--steps", command->steps, "Batches looked at")->capture_default_str(),
                 1, most);
  command->run.add_to(*parser);
  return {parser, [command] { return probe(*command); }};
}

}  // namespace relaxon::cli
