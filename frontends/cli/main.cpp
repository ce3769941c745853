// relaxon: declares, trains and shows networks from the command line.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <vector>

#include "core/error.hpp"
#include "frontends/cli/command.hpp"
#include "frontends/cli/output.hpp"

namespace relaxon::cli {
namespace {

int parse_and_run(int argc, char** argv) {
  CLI::App app("Trains recurrent networks of +-1 units with local plasticity, declared in a TOML file.",
               "relaxon");
  app.set_version_flag("--version", "relaxon " RELAXON_VERSION);
  app.require_subcommand(0, 1);
  const std::vector<Command> commands{add_train(app), add_evaluate(app), add_plan(app), add_explain(app),
                                      add_opt(app),   add_bench(app),    add_lint(app), add_probe(app),
                                      add_check(app), add_target(app)};
  app.footer(
      "`relaxon COMMAND --help` explains a command. Exit codes: 0 done, 1 bad input, 2 wrong usage,\n"
      "3 internal error.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {  // --help, --version
    return app.exit(request);
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
  const auto chosen = std::ranges::find_if(commands, [](const Command& c) { return c.parser->parsed(); });
  if (chosen == commands.end())
    throw UsageError(
        "expected a command: train, evaluate, plan, explain, opt, bench, lint, probe, check or target");
  return chosen->run();
}

int guarded(int argc, char** argv) {
  try {
    return parse_and_run(argc, argv);
  } catch (const OutputClosed&) {
    return exit_signal + SIGPIPE;
  } catch (const UsageError& error) {
    print_message(fmt::format("{} (relaxon --help, relaxon COMMAND --help)", error.what()));
    return exit_wrong_usage;
  } catch (const Error& error) {
    print_message(error.what());
    return exit_bad_input;
  } catch (const std::bad_alloc&) {
    print_message("not enough memory");
    return exit_bad_input;
  } catch (const std::exception& error) {
    print_message(fmt::format("internal error: {}", error.what()));
    return exit_internal_error;
  }
}

}  // namespace
}  // namespace relaxon::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is seen when writing
  return relaxon::cli::guarded(argc, argv);
}
