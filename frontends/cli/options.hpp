// Options that several commands share.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/data/dataset.hpp"
#include "core/target.hpp"
#include "frontends/network_file.hpp"
#include "runtime/program.hpp"
#include "runtime/session.hpp"

namespace relaxon::cli {

/// An option that takes an integer in least .. most, which its help calls N.
void expect_integer(CLI::Option& option, std::int64_t least, std::int64_t most);

/// Which network file, and what to change in it.
struct NetworkOptions {
  std::string file;
  std::vector<std::string> set;
  std::optional<std::int64_t> seed, data_seed, epochs;
  std::optional<std::string> data;

  void add_to(CLI::App& parser);
  /// All changes as "KEY=VALUE", those of --set first.
  std::vector<std::string> overrides() const;
  NetworkFile load() const;
};

/// Which machine plans are made for.
struct TargetOption {
  std::string given;  // a file, or KEY=VALUE ..

  void add_to(CLI::App& parser);
  /// What --target says, else RELAXON_TARGET, on top of this machine's; nullopt if neither does. Throws
  /// Error.
  std::optional<Target> chosen() const;
  /// The same, else this machine, unmeasured.
  Target target() const;
};

/// How to run it.
struct RunOptions {
  TargetOption target;
  std::string backend{name_of(fastest_backend())}, passes = "default";
  std::optional<std::int64_t> threads;
  bool json = false;

  /// --backend, --opt, --threads, --target, --json; the help says what --threads is by default.
  void add_to(CLI::App& parser, const std::string& default_threads = "the cores there are");
  /// Throws UsageError for an unknown backend or pass.
  CompileOptions compile_options() const;
  /// Threads that --threads asks for, or the cores there are; the interpreter has one.
  int thread_count() const;
};

/// What to look at while it runs.
struct ProbeOptions {
  std::vector<std::string> probes;
  std::int64_t first = 0, steps = 1;

  /// --probe; with a window also --probe-from and --probe-steps.
  void add_to(CLI::App& parser, bool window);
  /// Those of the network file and of the command line, checked against the network. Throws Error.
  std::vector<ProbeFile> files(const NetworkFile& file, bool evaluation) const;
  /// Has the session record them, if there are any; the recorder outlives what is run.
  void record(Session& session, const NetworkFile& file, bool evaluation, Recorder& recorder) const;
  /// The same without their files.
  std::vector<Probe> values(const NetworkFile& file, bool evaluation) const;
};

/// The backend that an option names, if this build has it. Throws UsageError.
Backend available_backend(const std::string& option, const std::string& name);

/// The passes that a command line names. Throws UsageError.
PassSelection passes_named(const std::string& option, const std::string& text);

/// The data that a network file declares, prepared on so many threads; they fit its network. Throws Error.
Dataset load_data(const NetworkFile& file, const std::string& name, int threads = 1);

}  // namespace relaxon::cli
