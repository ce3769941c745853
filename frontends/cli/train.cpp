// relaxon train FILE
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "frontends/cli/command.hpp"
#include "frontends/cli/interruption.hpp"
#include "frontends/cli/options.hpp"
#include "frontends/cli/output.hpp"
#include "frontends/cli/plot.hpp"
#include "frontends/cli/progress_bar.hpp"
#include "frontends/compile_report.hpp"
#include "runtime/peak_memory.hpp"
#include "runtime/trainer.hpp"

namespace relaxon::cli {
namespace {

using Json = nlohmann::ordered_json;

struct TrainOptions {
  NetworkOptions network;
  RunOptions run;
  ProbeOptions probes;
  std::optional<std::int64_t> steps;
  std::string out, resume;
  bool statistics = false, compile_report = false;

  /// Where the results are left; empty for none.
  std::string folder() const { return out.empty() ? resume : out; }
};

Json statistics_json(const std::string& plan, const RunStatistics& s) {
  Json line{{"event", "statistics"},
            {"plan", plan},
            {"batches", s.batches},
            {"wide_batches", s.wide_batches},
            {"bound_checks", s.bound_checks}};
  for (const PhaseStatistics& phase : s.phases) {
    Json iterations = Json::array();
    for (const IterationStatistics& i : phase.by_iteration)
      iterations.push_back(
          {{"samples", i.samples}, {"moving", i.moving}, {"values", i.values}, {"flips", i.flips}});
    line["phases"].push_back(
        {{"iterations", phase.iterations}, {"batches", phase.batches}, {"by_iteration", iterations}});
  }
  for (const FollowStatistics& f : s.follows)
    line["messages"].push_back({{"edge", f.edge}, {"changes", f.changes}, {"wholes", f.wholes}});
  for (const UpdateStatistics& u : s.updates)
    line["updates"].push_back({{"edge", u.edge}, {"columns", u.columns}, {"silent", u.silent}});
  return line;
}

/// What the reader of standard output is told, as text or as JSON lines.
class Report {
 public:
  Report(const TrainOptions& options, std::int64_t epochs) : json_(options.run.json), epochs_(epochs) {}

  void start(const Session& session) const {
    if (!json_) return;
    print_line(Json{{"event", "start"},
                    {"backend", name_of(session.options().backend)},
                    {"threads", session.options().team ? session.options().team->size() : 1},
                    {"compile_ms", session.compile_report().milliseconds},
                    {"compiles", session.compile_report().compiles},
                    {"cache_hits", session.compile_report().cache_hits}}
                   .dump());
  }

  void epoch(const EpochRecord& r) const {
    if (json_) {
      Json line{{"event", "epoch"},
                {"epoch", r.epoch},
                {"train_accuracy", r.train_accuracy},
                {"test_accuracy", r.test_accuracy},
                {"seconds", r.seconds},
                {"eval_seconds", r.eval_seconds},
                {"images_per_second", r.images_per_second},
                {"train_step_us", r.train_step_us}};
      if (r.validation_accuracy) line["validation_accuracy"] = *r.validation_accuracy;
      return print_line(line.dump());
    }
    std::string line = fmt::format("epoch {}/{}  train {:.4f}  test {:.4f}", r.epoch, epochs_,
                                   r.train_accuracy, r.test_accuracy);
    if (r.validation_accuracy) line += fmt::format("  validation {:.4f}", *r.validation_accuracy);
    print_line(fmt::format("{}  {:.1f} s + {:.1f} s evaluation  {:.0f} images/s", line, r.seconds,
                           r.eval_seconds, r.images_per_second));
  }

  void compiled(const CompileReport& report) const {
    if (!json_) return print_out(to_text(report));
    Json line = to_json(report);
    line["event"] = "compiled";
    print_line(line.dump());
  }

  /// What happened since it was last called, if the session counts.
  void statistics(Session& session) const {
    for (const auto& [plan, counted] : session.take_statistics()) {
      if (json_) {
        print_line(statistics_json(plan, counted).dump());
      } else {
        std::string text = to_text(counted, plan);
        text.pop_back();  // print_line ends it
        print_line(text);
      }
    }
  }

  void end(const Session& session, double test_accuracy, const std::string& folder) const {
    const double megabytes = static_cast<double>(peak_memory_bytes()) / 1e6;
    if (json_) {
      return print_line(Json{
          {"event", "end"},
          {"digest", session.digest()},
          {"test_accuracy", test_accuracy},
          {"peak_rss_mb",
           megabytes}}.dump());
    }
    print_line(fmt::format("test accuracy {:.4f}, digest {}, peak memory {:.0f} MB{}", test_accuracy,
                           session.digest(), megabytes, folder.empty() ? "" : ", results in " + folder));
  }

 private:
  bool json_;
  std::int64_t epochs_;
};

/// A word as a shell reads it back.
std::string shell_quoted(const std::string& word) {
  const bool plain = !word.empty() && std::ranges::all_of(word, [](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) != 0 ||
                        std::string_view("-_./=,:+@%").find(static_cast<char>(c)) != std::string_view::npos);
  });
  if (plain) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// The command that goes on with a training that was stopped.
std::string resume_command(const TrainOptions& options) {
  std::string command = "relaxon train " + shell_quoted(options.network.file);
  for (const std::string& change : options.network.overrides()) command += " --set " + shell_quoted(change);
  if (options.steps) command += fmt::format(" --steps {}", *options.steps);
  return fmt::format("{} --resume {}", command, shell_quoted(options.folder()));
}

void report_stop(const TrainOptions& options, const TrainingPosition& position) {
  const std::string where =
      fmt::format("stopped after {} epochs and {} steps", position.epochs, position.steps);
  if (options.folder().empty()) {
    print_message(where + "; nothing is saved without --out");
  } else {
    print_message(fmt::format("{}; go on with: {}", where, resume_command(options)));
  }
}

void plot(const TrainOptions& options, const History& history) {
  if (options.folder().empty() || history.empty()) return;
  if (const auto failure = plot_accuracy(history, std::filesystem::path(options.folder()) / plot_file)) {
    print_message(fmt::format("no accuracy plot: {}", *failure));
  }
}

TrainerOptions trainer_options(const TrainOptions& options, const NetworkFile& file) {
  TrainerOptions result;
  result.epochs = file.train.epochs;
  result.steps = options.steps;
  result.train_eval = file.train.train_eval;
  result.out = options.out;
  result.resume = options.resume;
  result.network = file.text;
  return result;
}

/// The signal that stopped the training; 0 if it came to its end.
int train_all(Trainer& trainer, Session& session, const Report& report, const NetworkFile& file) {
  const Interruption interruption;
  ProgressBar bar(file.train.epochs, file.data.batch_size);
  bool closed = false;  // nobody reads the report any more: stop where training can go on from
  const bool complete = trainer.run({.on_progress = [&](const TrainingProgress& p) { bar.show(p); },
                                     .on_epoch =
                                         [&](const EpochRecord& record) {
                                           bar.clear();
                                           try {
                                             report.epoch(record);
                                             report.statistics(session);
                                           } catch (const OutputClosed&) {
                                             closed = true;
                                           }
                                         },
                                     .should_stop = [&] { return closed || interruption.signal() != 0; }});
  if (closed) return SIGPIPE;
  return complete ? 0 : interruption.signal();
}

int train(const TrainOptions& options) {
  CompileOptions compile_options = options.run.compile_options();
  compile_options.statistics = options.statistics;
  const NetworkFile file = options.network.load();
  compile_options.plan.batch = file.data.batch_size;
  const Dataset data = load_data(file, options.network.file, options.run.thread_count());
  Session session(file.network, compile_options);
  Trainer trainer(session, data, file.data, trainer_options(options, file));
  const std::vector<ProbeFile> probes = options.probes.files(file, false);
  Recorder recorder;
  options.probes.record(session, file, false, recorder);
  session.prepare();
  const Report report(options, file.train.epochs);
  report.start(session);
  if (options.compile_report) report.compiled(session.compile_report());
  const int signal = train_all(trainer, session, report, file);
  plot(options, trainer.history());
  if (!recorder.names().empty()) {
    save(recorder, probes, options.folder());
  } else if (!probes.empty()) {
    print_message(fmt::format("nothing is probed: the training has no batch {}", options.probes.first));
  }
  if (signal != 0) {
    report_stop(options, trainer.position());
    return exit_signal + signal;
  }
  const bool evaluated = !trainer.history().empty();
  report.end(session, evaluated ? trainer.history().back().test_accuracy : trainer.evaluate(),
             options.folder());
  return exit_done;
}

}  // namespace

Command add_train(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("train", "Train a network; print the accuracy after each epoch");
  const auto options = std::make_shared<TrainOptions>();
  options->network.add_to(*parser);
  constexpr std::int64_t most = 1'000'000'000;
  expect_integer(*parser->add_option("--epochs", options->network.epochs, "Epochs in all (train.epochs)"), 0,
                 most);
  expect_integer(*parser->add_option("--steps", options->steps, "At most so many batches an epoch"), 1, most);
  parser->add_option("--out", options->out, "New folder for checkpoint, history and plot")->type_name("DIR");
  parser->add_option("--resume", options->resume, "Go on with the training saved in this folder")
      ->type_name("DIR");
  parser->add_flag("--stats", options->statistics,
                   "After each epoch: what flipped, settled and was skipped, by phase and iteration");
  parser->add_flag("--compile-report", options->compile_report,
                   "First: what was compiled or came from the cache, the time of each stage, and why");
  options->probes.add_to(*parser, true);
  options->run.add_to(*parser);
  return {parser, [options] { return train(*options); }};
}

}  // namespace relaxon::cli
