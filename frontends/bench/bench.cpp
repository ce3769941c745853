#include "frontends/bench/bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <list>
#include <vector>

#include "core/error.hpp"
#include "frontends/batch_stream.hpp"
#include "frontends/bench/naive.hpp"
#include "frontends/bench/peak.hpp"
#include "runtime/session.hpp"

namespace relaxon::bench {
namespace {

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t n = values.size();
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

/// One thing to time: `run` does so many steps in one call. A call has costs of its own (a session checks the
/// data and takes weights in and out), which an epoch pays once; so a step's time is the difference of two
/// calls, one of few steps and one of many, divided by the steps between.
class Timed {
 public:
  /// `few`: a step for each thread that runs whole steps. `unit`: so many steps are what times are given of.
  Timed(std::function<void(std::int64_t)> run, std::int64_t most_steps, std::int64_t few = 1, double unit = 1)
      : run_(std::move(run)), few_(std::min(few, most_steps)), most_(most_steps - few_), unit_(unit) {}

  /// Finds how many steps make a chunk of about so many seconds, and how many chunks, if there are too few.
  void warm_up(double seconds) {
    seconds_of(few_);
    const double call = seconds_of(few_);
    double spent = 0;
    while (steps_ < most_) {
      spent = seconds_of(few_ + steps_) - call;
      // Where a call costs much, its own unsteadiness must not drown the steps.
      if (spent >= std::max(seconds / 2, call)) return;
      constexpr double largest_growth = 4;
      const double factor = std::clamp(seconds / std::max(spent, 1e-9), 2.0, largest_growth);
      steps_ = std::min(most_, static_cast<std::int64_t>(std::ceil(static_cast<double>(steps_) * factor)));
    }
    constexpr double most_chunks = 50;
    chunks_ =
        static_cast<int>(std::clamp(seconds / std::max(seconds_of(few_ + steps_), 1e-9), 1.0, most_chunks));
  }

  void measure() {
    std::vector<double> seconds;
    for (int chunk = 0; chunk < chunks_; ++chunk) {
      const double call = seconds_of(few_);
      // Without room for more steps the call is all there is.
      seconds.push_back(most_ < 1 ? call / static_cast<double>(few_)
                                  : (seconds_of(few_ + steps_) - call) / static_cast<double>(steps_));
    }
    step_us_.push_back(1e6 * unit_ * median(std::move(seconds)));
  }

  /// Of one step, by round.
  const std::vector<double>& microseconds() const { return step_us_; }

 private:
  double seconds_of(std::int64_t steps) {
    const auto start = Clock::now();
    run_(steps);
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  using Clock = std::chrono::steady_clock;
  std::function<void(std::int64_t)> run_;
  std::int64_t few_, most_;
  double unit_;
  std::int64_t steps_ = 1;
  int chunks_ = 1;
  std::vector<double> step_us_;
};

/// The median over the rounds of one's time over the other's: what slows the machine down slows both.
double median_ratio(const Timed& one, const Timed& other) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < one.microseconds().size(); ++i) {
    ratios.push_back(one.microseconds()[i] / other.microseconds()[i]);
  }
  return median(std::move(ratios));
}

/// What all contenders train and are evaluated on, in batches of the file's size.
struct Course {
  BatchStream& stream;
  LabelledData train, test;
  std::int64_t batch, test_images;
};

/// A session or a naive network, trained and evaluated on the same data.
struct Contender {
  /// It evaluates `at_once` images at a time, as many batches in parallel as it has threads for them.
  template <class Network>
  Contender(std::string n, Network& network, const Course& course, std::int64_t at_once, int threads)
      : name(std::move(n)),
        train(
            [&](std::int64_t steps) { network.train(course.train, course.stream.next(steps), course.batch); },
            std::int64_t{1} << 20),
        evaluate(
            [&, at_once](std::int64_t steps) {
              network.hits(course.test, std::min(steps * at_once, course.test_images), at_once);
            },
            std::max<std::int64_t>(1, course.test_images / at_once), threads,
            static_cast<double>(course.batch) / static_cast<double>(at_once)) {}

  void warm_up(double seconds) {
    train.warm_up(seconds);
    evaluate.warm_up(seconds);
  }
  void measure() {
    train.measure();
    evaluate.measure();
  }
  StepTimes times() const {
    return {.train_us = median(train.microseconds()), .evaluate_us = median(evaluate.microseconds())};
  }
  Baseline beside(const Contender& relaxon) const {
    return {.times = times(),
            .train_ratio = median_ratio(train, relaxon.train),
            .evaluate_ratio = median_ratio(evaluate, relaxon.evaluate)};
  }

  std::string name;
  Timed train, evaluate;
};

void train(Session& session, const Course& course, std::int64_t steps) {
  constexpr std::int64_t at_once = 1 << 14;  // bounds the memory of their order
  for (std::int64_t left = steps; left > 0; left -= at_once)
    session.train(course.train, course.stream.next(std::min(left, at_once)), course.batch);
}

constexpr std::int64_t every_step = std::int64_t{1} << 40;

/// A sink that copies what it is shown.
ProbeSink keep_last() {
  return [last = Tensor()](std::string_view, const std::vector<std::int64_t>&, const Tensor& value) mutable {
    last = value;
  };
}

/// All of them in each round, each round beginning with another one.
void measure(std::vector<Contender>& contenders, const BenchOptions& options,
             const std::function<void()>& between) {
  for (Contender& contender : contenders) contender.warm_up(options.chunk_seconds);
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  constexpr int least_rounds = 3;
  for (int round = 0; round < options.rounds; ++round) {
    const double spent = std::chrono::duration<double>(Clock::now() - start).count();
    if (options.seconds && round >= least_rounds && spent >= *options.seconds) return;
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      contenders[(i + static_cast<std::size_t>(round)) % contenders.size()].measure();
    }
    between();
  }
}

Baseline peak_of(const Network& network, const BenchResult& result, double flops_per_second) {
  const StepTimes peak{.train_us = 1e6 * train_flops(network, result.batch) / flops_per_second,
                       .evaluate_us = 1e6 * evaluate_flops(network, result.batch) / flops_per_second};
  return {.times = peak,
          .train_ratio = peak.train_us / result.relaxon.train_us,
          .evaluate_ratio = peak.evaluate_us / result.relaxon.evaluate_us};
}

void validate(const Dataset& data, const BenchOptions& options) {
  if (options.after_steps < 0) fail("after_steps: expected at least 0, found {}", options.after_steps);
  if (options.rounds < 1) fail("rounds: expected at least 1, found {}", options.rounds);
  if (options.seconds && !(*options.seconds >= 0)) {
    fail("seconds: expected at least 0, found {}", *options.seconds);
  }
  if (data.train.images() < 1) fail("number of train images: expected at least 1, found 0");
  if (data.test.images() < 1) fail("number of test images: expected at least 1, found 0");
}

}  // namespace

BenchResult run(const NetworkFile& file, const Dataset& data, const BenchOptions& options) {
  validate(data, options);
  BenchResult result;
  result.batch = std::min(file.data.batch_size, data.train.images());
  result.backend = options.compile.backend;
  result.isa = options.compile.isa.value_or(best_isa());
  result.threads = options.compile.team ? options.compile.team->size() : 1;

  Session session(file.network, options.compile);
  session.prepare();
  result.compile_ms = session.compile_report().milliseconds;
  result.cache_hits = session.compile_report().cache_hits;
  result.compiles = session.compile_report().compiles;

  BatchStream stream(file, data, result.batch);
  const Course course{stream, labelled(data.train, data.code), labelled(data.test, data.code), result.batch,
                      data.test.images()};
  train(session, course, options.after_steps);

  std::vector<Contender> contenders;
  const auto add = [&](std::string name, Session& network) {
    // As `evaluate` and the accuracies of a training take them.
    const std::int64_t at_once = std::min(network.evaluation_batch(course.test_images), course.test_images);
    contenders.emplace_back(std::move(name), network, course, at_once, result.threads);
    return at_once;
  };
  result.evaluation_batch = add("relaxon", session);
  std::list<Session> others;  // contenders refer to them
  const auto add_session = [&](std::string name, Backend backend) {
    CompileOptions how = options.compile;
    how.backend = backend;
    add(std::move(name), others.emplace_back(file.network, how));
    others.back().restore(session.edges());
  };
  for (const Backend backend : options.backends) add_session(std::string(name_of(backend)), backend);
  if (!options.probes.empty()) {
    add_session("probed", options.compile.backend);
    Recording recording{.probes = options.probes, .sink = keep_last(), .steps = every_step};
    others.back().record(std::move(recording));
  }
  std::optional<NaiveNetwork> naive;
  if (options.naive) {
    contenders.emplace_back("naive", naive.emplace(file.network, session.edges(), result.batch, result.isa),
                            course, result.batch, 1);
  }
  double flops_per_second = 0;
  measure(contenders, options, [&] {
    if (options.peak) flops_per_second = std::max(flops_per_second, measured_flops_per_second(result.isa));
  });

  const Contender& relaxon = contenders.front();
  result.relaxon = relaxon.times();
  for (const Contender& contender : contenders) {
    if (&contender != &relaxon) result.baselines.emplace_back(contender.name, contender.beside(relaxon));
  }
  if (options.peak) {
    result.baselines.emplace_back("peak", peak_of(file.network, result, flops_per_second));
  }
  return result;
}

namespace {

double images_per_second(double step_us, std::int64_t batch) {
  return step_us > 0 ? 1e6 * static_cast<double>(batch) / step_us : 0;
}

std::string row(const std::string& name, const Baseline& baseline) {
  return fmt::format("{:<11} {:>12.1f} {:>8.2f} {:>12.1f} {:>8.2f}\n", name, baseline.times.train_us,
                     baseline.train_ratio, baseline.times.evaluate_us, baseline.evaluate_ratio);
}

}  // namespace

std::string to_text(const BenchResult& r) {
  std::string text =
      fmt::format("{}, {}, {} thread{}, batches of {}, evaluation {} at a time; compiled in {:.1f} ms\n",
                  name_of(r.backend), name_of(r.isa), r.threads, r.threads == 1 ? "" : "s", r.batch,
                  r.evaluation_batch, r.compile_ms);
  text += fmt::format("{:<11} {:>12} {:>8} {:>12} {:>8}\n", "", "train us", "ratio", "evaluate us", "ratio");
  text += row("relaxon", {.times = r.relaxon});
  for (const auto& [name, baseline] : r.baselines) text += row(name, baseline);
  return text + fmt::format("{:.0f} images/s trained, {:.0f} evaluated\n",
                            images_per_second(r.relaxon.train_us, r.batch),
                            images_per_second(r.relaxon.evaluate_us, r.batch));
}

nlohmann::ordered_json to_json(const BenchResult& r) {
  nlohmann::ordered_json json{{"train_step_us", r.relaxon.train_us},
                              {"eval_step_us", r.relaxon.evaluate_us},
                              {"train_images_per_s", images_per_second(r.relaxon.train_us, r.batch)},
                              {"eval_images_per_s", images_per_second(r.relaxon.evaluate_us, r.batch)},
                              {"compile_ms", r.compile_ms},
                              {"compiles", r.compiles},
                              {"cache_hits", r.cache_hits},
                              {"eval_batch", r.evaluation_batch},
                              {"threads", r.threads},
                              {"backend", name_of(r.backend)},
                              {"isa", name_of(r.isa)}};
  for (const char* name : {"naive", "peak"}) {
    for (const char* time : {"train_step_us", "eval_step_us"})
      json[fmt::format("{}_{}", name, time)] = nullptr;
  }
  for (const auto& [name, baseline] : r.baselines) {
    json[name + "_train_step_us"] = baseline.times.train_us;
    json[name + "_eval_step_us"] = baseline.times.evaluate_us;
    json[name + "_train_ratio"] = baseline.train_ratio;
    json[name + "_eval_ratio"] = baseline.evaluate_ratio;
  }
  return json;
}

}  // namespace relaxon::bench
