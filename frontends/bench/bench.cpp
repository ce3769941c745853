#include "frontends/bench/bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/error.hpp"
#include "frontends/batch_stream.hpp"
#include "frontends/bench/naive.hpp"
#include "frontends/bench/peak.hpp"
#include "runtime/session.hpp"

namespace relaxon::bench {
namespace {

/// One thing to time: `run` does so many steps in one call. A call has costs of its own (a session checks the
/// data and takes weights in and out), which an epoch pays once; so a step's time is the difference of two
/// calls, one of a single step and one of many, divided by the steps between.
class Timed {
 public:
  Timed(std::function<void(std::int64_t)> run, std::int64_t most_steps)
      : run_(std::move(run)), most_(most_steps - 1) {}

  /// Finds how many steps make a chunk of about so many seconds.
  void warm_up(double seconds) {
    seconds_of(1);
    const double call = seconds_of(1);
    for (double spent = 0; steps_ < most_;) {
      spent = seconds_of(1 + steps_) - call;
      if (spent >= seconds / 2) return;
      constexpr double largest_growth = 4;
      const double factor = std::clamp(seconds / std::max(spent, 1e-9), 2.0, largest_growth);
      steps_ = std::min(most_, static_cast<std::int64_t>(std::ceil(static_cast<double>(steps_) * factor)));
    }
  }

  void measure() {
    const double call = seconds_of(1);
    if (most_ < 1) return step_us_.push_back(1e6 * call);  // no room for a second step
    step_us_.push_back(1e6 * (seconds_of(1 + steps_) - call) / static_cast<double>(steps_));
  }

  double median_us() {
    std::ranges::sort(step_us_);
    const std::size_t n = step_us_.size();
    return (step_us_[(n - 1) / 2] + step_us_[n / 2]) / 2;
  }

 private:
  double seconds_of(std::int64_t steps) {
    const auto start = Clock::now();
    run_(steps);
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  using Clock = std::chrono::steady_clock;
  std::function<void(std::int64_t)> run_;
  std::int64_t most_;
  std::int64_t steps_ = 1;
  std::vector<double> step_us_;
};

/// A session or a naive network, trained and evaluated on the same data.
template <class Contender>
struct Race {
  Race(Contender& contender, BatchStream& stream, const LabelledData& train_data,
       const LabelledData& test_data, std::int64_t batch, std::int64_t test_images)
      : train([&, batch](std::int64_t steps) { contender.train(train_data, stream.next(steps), batch); },
              std::int64_t{1} << 20),
        evaluate(
            [&, batch, test_images](std::int64_t steps) {
              contender.hits(test_data, std::min(steps * batch, test_images), batch);
            },
            std::max<std::int64_t>(1, test_images / batch)) {}

  void warm_up(double seconds) {
    train.warm_up(seconds);
    evaluate.warm_up(seconds);
  }
  void measure() {
    train.measure();
    evaluate.measure();
  }
  StepTimes medians() { return {.train_us = train.median_us(), .evaluate_us = evaluate.median_us()}; }

  Timed train, evaluate;
};

void validate(const Dataset& data, const BenchOptions& options) {
  if (options.after_steps < 0) fail("after_steps: expected at least 0, found {}", options.after_steps);
  if (options.rounds < 1) fail("rounds: expected at least 1, found {}", options.rounds);
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
  const LabelledData train_data = labelled(data.train, data.code);
  const LabelledData test_data = labelled(data.test, data.code);
  constexpr std::int64_t steps_at_once = 1 << 14;  // bounds the memory of their order
  for (std::int64_t left = options.after_steps; left > 0; left -= steps_at_once) {
    session.train(train_data, stream.next(std::min(left, steps_at_once)), result.batch);
  }

  const std::int64_t test_images = data.test.images();
  Race<Session> relaxon(session, stream, train_data, test_data, result.batch, test_images);
  std::optional<NaiveNetwork> network;
  std::optional<Race<NaiveNetwork>> naive;
  if (options.naive) {
    network.emplace(file.network, session.edges(), result.batch, result.isa);
    naive.emplace(*network, stream, train_data, test_data, result.batch, test_images);
    naive->warm_up(options.chunk_seconds);
  }
  relaxon.warm_up(options.chunk_seconds);
  double flops_per_second = 0;
  for (int round = 0; round < options.rounds; ++round) {
    relaxon.measure();
    if (naive) naive->measure();
    if (options.peak) flops_per_second = std::max(flops_per_second, measured_flops_per_second(result.isa));
  }

  result.relaxon = relaxon.medians();
  if (naive) result.naive = naive->medians();
  if (options.peak) {
    result.peak =
        StepTimes{.train_us = 1e6 * train_flops(file.network, result.batch) / flops_per_second,
                  .evaluate_us = 1e6 * evaluate_flops(file.network, result.batch) / flops_per_second};
  }
  return result;
}

namespace {

double images_per_second(double step_us, std::int64_t batch) {
  return step_us > 0 ? 1e6 * static_cast<double>(batch) / step_us : 0;
}

std::string row(const char* name, const StepTimes& times, const StepTimes& relaxon) {
  return fmt::format("{:<8} {:>12.1f} {:>8.2f} {:>12.1f} {:>8.2f}\n", name, times.train_us,
                     times.train_us / relaxon.train_us, times.evaluate_us,
                     times.evaluate_us / relaxon.evaluate_us);
}

}  // namespace

std::string to_text(const BenchResult& r) {
  std::string text =
      fmt::format("{}, {}, {} thread{}, batches of {}; compiled in {:.1f} ms\n", name_of(r.backend),
                  name_of(r.isa), r.threads, r.threads == 1 ? "" : "s", r.batch, r.compile_ms);
  text += fmt::format("{:<8} {:>12} {:>8} {:>12} {:>8}\n", "", "train us", "ratio", "evaluate us", "ratio");
  text += row("relaxon", r.relaxon, r.relaxon);
  if (r.naive) text += row("naive", *r.naive, r.relaxon);
  if (r.peak) text += row("peak", *r.peak, r.relaxon);
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
                              {"threads", r.threads},
                              {"backend", name_of(r.backend)},
                              {"isa", name_of(r.isa)}};
  const auto add = [&](const std::string& name, const std::optional<StepTimes>& times) {
    json[name + "_train_step_us"] = nullptr;
    json[name + "_eval_step_us"] = nullptr;
    if (!times) return;
    json[name + "_train_step_us"] = times->train_us;
    json[name + "_eval_step_us"] = times->evaluate_us;
  };
  add("naive", r.naive);
  add("peak", r.peak);
  return json;
}

}  // namespace relaxon::bench
