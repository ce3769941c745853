// relaxon bench FILE
#include "frontends/bench/bench.hpp"

#include <algorithm>
#include <memory>
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
  std::vector<std::string> baselines;
  std::int64_t after_steps = 500;
};

int bench(const BenchCommand& command) {
  bench::BenchOptions options;
  options.compile = command.run.compile_options();
  options.after_steps = command.after_steps;
  options.naive = std::ranges::count(command.baselines, "naive") > 0;
  options.peak = std::ranges::count(command.baselines, "peak") > 0;
  const NetworkFile file = command.network.load();
  options.compile.plan.batch = file.data.batch_size;
  const Dataset data = load_data(file, command.network.file);
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
                   "Also time: naive (the same in plain Eigen), peak (the dense flops at the FMA peak)")
      ->type_name("A,B")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"naive", "peak"}).description(""));
  constexpr std::int64_t most = 1'000'000'000;
  CLI::Option* steps =
      parser->add_option("--after-steps", command->after_steps, "Training steps before anything is timed");
  expect_integer(*steps->capture_default_str(), 0, most);
  command->run.add_to(*parser);
  return {parser, [command] { return bench(*command); }};
}

}  // namespace relaxon::cli
