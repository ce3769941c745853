// relaxon check FILE
#include "frontends/check/check.hpp"

#include <memory>
#include <string>

#include "core/error.hpp"
#include "frontends/cli/command.hpp"
#include "frontends/cli/options.hpp"
#include "frontends/cli/output.hpp"
#include "runtime/program.hpp"

namespace relaxon::cli {
namespace {

struct CheckCommand {
  NetworkOptions network;
  std::string backend{name_of(fastest_backend())}, against = "interpreter";
  std::string passes = "default", against_passes = "default";
  std::int64_t steps = 2;
};

/// How one of the two runs; the names are those of its options.
CompileOptions options_of(const std::string& backend_option, const std::string& backend,
                          const std::string& passes_option, const std::string& passes) {
  CompileOptions options;
  options.backend = available_backend(backend_option, backend);
  options.passes = passes_named(passes_option, passes);
  options.plan.target = TargetOption{}.target();
  return options;
}

/// What the two are called where they differ.
std::string label_of(const std::string& backend, const std::string& passes) {
  return passes == "default" ? backend : fmt::format("{} with passes {}", backend, passes);
}

int check(const CheckCommand& command) {
  CompileOptions first_options = options_of("--backend", command.backend, "--opt", command.passes);
  CompileOptions second_options =
      options_of("--against", command.against, "--against-opt", command.against_passes);
  const NetworkFile file = command.network.load();
  first_options.plan.batch = second_options.plan.batch = file.data.batch_size;
  const Dataset data = load_data(file, command.network.file);
  Session first(file.network, first_options), second(file.network, second_options);
  const std::int64_t batch = std::min(file.data.batch_size, data.train.images());
  BatchStream stream(file, data, batch);
  const CheckResult result = relaxon::check(first, second, data, stream, batch, command.steps);
  const std::string a = label_of(command.backend, command.passes);
  const std::string b = label_of(command.against, command.against_passes);
  if (result.difference) {
    print_line(to_string(*result.difference, a, b));
    return exit_bad_input;
  }
  print_line(fmt::format("{} and {} agree in {} values of {} steps and an evaluation, digest {}", a, b,
                         result.values, result.steps, first.digest()));
  return exit_done;
}

}  // namespace

Command add_check(CLI::App& app) {
  CLI::App* parser =
      app.add_subcommand("check", "Run two backends in lock step; show the first value that differs");
  const auto command = std::make_shared<CheckCommand>();
  command->network.add_to(*parser);
  parser->add_option("--backend", command->backend, "One backend")->type_name("B")->capture_default_str();
  parser->add_option("--against", command->against, "The other one")->type_name("B")->capture_default_str();
  parser->add_option("--opt", command->passes, "Passes of the one")
      ->type_name("PASSES")
      ->capture_default_str();
  parser->add_option("--against-opt", command->against_passes, "Passes of the other")
      ->type_name("PASSES")
      ->capture_default_str();
  constexpr std::int64_t most = 1'000'000'000;
  expect_integer(*parser->add_option("--steps", command->steps, "Training batches")->capture_default_str(), 0,
                 most);
  return {parser, [command] { return check(*command); }};
}

}  // namespace relaxon::cli
