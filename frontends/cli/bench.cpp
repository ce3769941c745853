// relaxon bench FILE
#include "frontends/bench/bench.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "frontends/cli/command.hpp"
#include "frontends/cli/options.hpp"
#include "frontends/cli/output.hpp"

namespace relaxon::cli {
namespace {

struct BenchCommand {
  NetworkOptions network;
  RunOptions run;
  ProbeOptions probes;
  std::vector<std::string> baselines;
  std::int64_t after_steps = 500;
  std::optional<double> seconds;
};

int bench(const BenchCommand& command) {
  bench::BenchOptions options;
  options.compile = command.run.compile_options();
  options.after_steps = command.after_steps;
  options.naive = std::ranges::count(command.baselines, "naive") > 0;
  options.peak = std::ranges::count(command.baselines, "peak") > 0;
  for (const std::string& name : command.baselines) {
    if (backend_named(name)) options.backends.push_back(available_backend("--baseline", name));
  }
  options.seconds = command.seconds;
  const NetworkFile file = command.network.load();
  options.compile.plan.batch = file.data.batch_size;
  if (!command.probes.probes.empty()) options.probes = command.probes.values(file, false);
  const Dataset data = load_data(file, command.network.file, command.run.thread_count());
  const bench::BenchResult result = bench::run(file, data, options);
  print_out(command.run.json ? to_json(result).dump() + "\n" : to_text(result));
  return exit_done;
}

}  // namespace

Command add_bench(CLI::App& app) {
  CLI::App* parser =
      app.add_subcommand("bench", "Time training and evaluation on the file's data, beside baselines");
  const auto command = std::make_shared<BenchCommand>();
  command->network.add_to(*parser);
  parser
      ->add_option("--baseline", command->baselines,
                   "Also time: naive (the same in plain Eigen), peak (the dense flops at the FMA peak), "
                   "interpreter, kernels, jit (another backend)")
      ->type_name("A,B")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"naive", "peak", "interpreter", "kernels", "jit"}).description(""));
  constexpr std::int64_t most = 1'000'000'000;
  CLI::Option* steps =
      parser->add_option("--after-steps", command->after_steps, "Training steps before anything is timed");
  expect_integer(*steps->capture_default_str(), 0, most);
  parser
      ->add_option(
          "--seconds", command->seconds,
          "Start no round of measurements later than this, except the first three (default: 9 rounds)")
      ->type_name("S")
      ->check(CLI::NonNegativeNumber.description(""));
  command->probes.add_to(*parser, false);
  command->run.add_to(*parser);
  return {parser, [command] { return bench(*command); }};
}

}  // namespace relaxon::cli
