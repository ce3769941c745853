#include "frontends/cli/options.hpp"

#include <limits>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/options.hpp"
#include "frontends/cli/command.hpp"
#include "frontends/toml_overrides.hpp"
#include "runtime/target.hpp"

namespace relaxon::cli {
namespace {

constexpr std::int64_t largest_seed = std::numeric_limits<std::int64_t>::max();

}  // namespace

void expect_integer(CLI::Option& option, std::int64_t least, std::int64_t most) {
  option.type_name("N")->check(CLI::Range(least, most).description(""));
}

void NetworkOptions::add_to(CLI::App& parser) {
  parser.add_option("FILE", file, "Network file (TOML)")->required();
  expect_integer(*parser.add_option("--seed", seed, "Seed of the weights (network.seed)"), 0, largest_seed);
  expect_integer(*parser.add_option("--data-seed", data_seed, "Seed of the data (data.seed)"), 0,
                 largest_seed);
  parser.add_option("--data", data, "Folder of the data (data.path)")->type_name("DIR");
  parser.add_option("--set", set, "Change a key, e.g. edge.1-1.sparsity=0.96; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

std::vector<std::string> NetworkOptions::overrides() const {
  std::vector<std::string> all = set;
  if (seed) all.push_back(fmt::format("network.seed={}", *seed));
  if (data_seed) all.push_back(fmt::format("data.seed={}", *data_seed));
  if (data) all.push_back(fmt::format("data.path={}", toml_string(*data)));
  if (epochs) all.push_back(fmt::format("train.epochs={}", *epochs));
  return all;
}

NetworkFile NetworkOptions::load() const { return load_network_file(file, overrides()); }

void TargetOption::add_to(CLI::App& parser) {
  parser
      .add_option("--target", given,
                  "Plan for another machine: a file, or some of what `relaxon target` prints")
      ->type_name("FILE|KEY=VALUE ..");
}

std::optional<Target> TargetOption::chosen() const {
  const std::string text = given.empty() ? chosen_target().value_or("") : given;
  if (text.empty()) return std::nullopt;
  if (text.find('=') != std::string::npos)
    return parse_target(text, given.empty() ? "RELAXON_TARGET" : "--target", host_target());
  constexpr std::uint64_t longest = 1 << 16;
  return parse_target(read_file(text, longest), text, host_target());
}

Target TargetOption::target() const {
  const std::optional<Target> found = chosen();
  return found ? *found : host_target();
}

void RunOptions::add_to(CLI::App& parser, const std::string& default_threads) {
  parser.add_option("--backend", backend, "What runs the network: interpreter, kernels or jit")
      ->type_name("B")
      ->capture_default_str();
  parser.add_option("--opt", passes, "Passes: default, none, a list a,b or default,-a")
      ->type_name("PASSES")
      ->capture_default_str();
  CLI::Option* count = parser.add_option("--threads", threads,
                                         fmt::format("Most threads to use (default: {})", default_threads));
  expect_integer(*count, 1, 1024);
  target.add_to(parser);
  parser.add_flag("--json", json, "Print JSON, one object a line");
}

int RunOptions::thread_count() const {
  if (backend == name_of(Backend::interpreter)) return 1;
  return threads ? static_cast<int>(*threads) : host_target().cores;
}

Backend available_backend(const std::string& option, const std::string& name) {
  const auto found = backend_named(name);
  if (!found)
    throw UsageError(
        fmt::format("{}: {} is not a backend; expected interpreter, kernels or jit", option, name));
  if (!has_backend(*found)) {
    throw UsageError(
        fmt::format("{}: this build has no {} (it was made without LLVM); expected interpreter or kernels",
                    option, name));
  }
  return *found;
}

CompileOptions RunOptions::compile_options() const {
  CompileOptions options;
  options.backend = available_backend("--backend", backend);
  options.passes = passes_named("--opt", passes);
  options.plan.target = target.target();
  if (thread_count() > 1) options.team = std::make_shared<ThreadTeam>(thread_count(), true);
  return options;
}

void ProbeOptions::add_to(CLI::App& parser, bool window) {
  parser
      .add_option("--probe", probes,
                  "Look at a value: s1@2:every is the state of row 1 in each iteration of phase 2; also h1 "
                  "(field), f1 (judged by the update), error/1-0, S/1-0, weight/1-0, scores; may be repeated")
      ->type_name(window ? "VALUE[=FILE]" : "VALUE")
      ->allow_extra_args(false);
  if (!window) return;
  constexpr std::int64_t most = 1'000'000'000;
  expect_integer(
      *parser.add_option("--probe-from", first, "Batches before the first one probed")->capture_default_str(),
      0, most);
  expect_integer(*parser.add_option("--probe-steps", steps, "Batches probed")->capture_default_str(), 1,
                 most);
}

std::vector<ProbeFile> ProbeOptions::files(const NetworkFile& file, bool evaluation) const {
  std::vector<ProbeFile> all = evaluation ? file.probes.evaluation : file.probes.training;
  for (const std::string& text : probes) {
    all.push_back(parse_probe_file(text));
    validate(all.back().probe, file.network, evaluation);
  }
  validate(all);
  return all;
}

void ProbeOptions::record(Session& session, const NetworkFile& file, bool evaluation,
                          Recorder& recorder) const {
  std::vector<Probe> asked = values(file, evaluation);
  if (!asked.empty()) session.record({std::move(asked), recorder.sink(), first, steps}, evaluation);
}

std::vector<Probe> ProbeOptions::values(const NetworkFile& file, bool evaluation) const {
  std::vector<Probe> all;
  for (const ProbeFile& f : files(file, evaluation)) all.push_back(f.probe);
  return all;
}

PassSelection passes_named(const std::string& option, const std::string& text) {
  try {
    return PassSelection::parse(text);
  } catch (const Error& e) {
    throw UsageError(fmt::format("{}: {}", option, e.what()));
  }
}

Dataset load_data(const NetworkFile& file, const std::string& name, int threads) {
  Dataset data = load_dataset(file.data, file.network.rng, threads);
  Shape given = data.train.x.shape();
  given.erase(given.begin());
  const Shape& expected = file.network.map.sizes().front();
  if (given != expected) {
    fail("{}: network.sizes: expected an input of size {}, as the data give, found {}", name,
         to_string(given), to_string(expected));
  }
  return data;
}

}  // namespace relaxon::cli
