// The commands of the program, one file each.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <stdexcept>

namespace relaxon::cli {

/// Exit codes. A signal that ends a command gives 128 + its number, as a shell would.
inline constexpr int exit_done = 0;
inline constexpr int exit_bad_input = 1;
inline constexpr int exit_wrong_usage = 2;
inline constexpr int exit_internal_error = 3;
inline constexpr int exit_signal = 128;

/// Arguments that the parser lets through but that mean nothing. The message is one line.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A subcommand: its parser, and what it does once its arguments are parsed (returns the exit code).
struct Command {
  CLI::App* parser;
  std::function<int()> run;
};

Command add_train(CLI::App& app);
Command add_evaluate(CLI::App& app);
Command add_plan(CLI::App& app);
Command add_explain(CLI::App& app);
Command add_opt(CLI::App& app);
Command add_bench(CLI::App& app);
Command add_lint(CLI::App& app);
Command add_check(CLI::App& app);
Command add_probe(CLI::App& app);
Command add_target(CLI::App& app);

}  // namespace relaxon::cli
