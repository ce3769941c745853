#include "frontends/analyze.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>

#include "core/error.hpp"
#include "frontends/batch_stream.hpp"
#include "runtime/session.hpp"
#include "runtime/target.hpp"

namespace relaxon {
namespace {

using Times = std::vector<Profile::StepTime>;

double share(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string percent(double share) { return fmt::format("{:.2f} %", 100 * share); }

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

/// What taking the time takes: it is within every time that was taken.
double clock_seconds() {
  using Clock = std::chrono::steady_clock;
  std::vector<double> seconds;
  for (int i = 0; i < 1001; ++i) {
    const auto start = Clock::now();
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  return median(std::move(seconds));
}

/// Adds the times of the steps of each body to those of its scan, or (sign -1) takes them away.
void add_bodies(const Plan& plan, Times& times, double sign) {
  std::vector<int> depths;
  for_each_step(plan.steps, [&](const Step&, int depth) { depths.push_back(depth); });
  const auto add = [&](std::size_t i) {
    for (std::size_t j = i + 1; j < depths.size() && depths[j] > depths[i]; ++j) {
      if (depths[j] == depths[i] + 1) times[i].seconds += sign * times[j].seconds;
    }
  };
  // Inner scans have to be whole when they are added or taken away.
  for (std::size_t i = 0; i < depths.size(); ++i) add(sign < 0 ? i : depths.size() - 1 - i);
}

/// The runs of all profiles, at the median of each step's own time a batch: a time in which another program
/// ran counts once.
Times median_times(const Plan& plan, std::vector<Times> profiles, const std::vector<std::int64_t>& batches) {
  for (Times& profile : profiles) add_bodies(plan, profile, -1);
  Times all = profiles.at(0);
  std::int64_t total = 0;
  for (const std::int64_t n : batches) total += n;
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::vector<double> seconds;
    all[i].runs = 0;
    for (std::size_t p = 0; p < profiles.size(); ++p) {
      seconds.push_back(profiles[p].at(i).seconds / static_cast<double>(batches[p]));
      all[i].runs += profiles[p].at(i).runs;
    }
    all[i].seconds = median(std::move(seconds)) * static_cast<double>(total);
  }
  add_bodies(plan, all, 1);
  return all;
}

/// Steps with their positions in printed order, the statistics of each beside it.
struct CountedSteps {
  std::vector<const Step*> steps;
  std::vector<const PhaseStatistics*> phase;
  std::vector<const FollowStatistics*> follow;
  std::vector<const UpdateStatistics*> update;

  CountedSteps(const Plan& plan, const RunStatistics& s) {
    std::size_t phases = 0, follows = 0, updates = 0;
    for_each_step(plan.steps, [&](const Step& step, int) {
      const bool follow_counts = step.kernel == Kernel::follow || step.kernel == Kernel::advance;
      steps.push_back(&step);
      phase.push_back(step.kernel == Kernel::scan ? &s.phases.at(phases++) : nullptr);
      follow.push_back(follow_counts ? &s.follows.at(follows++) : nullptr);
      update.push_back(step.kernel == Kernel::update ? &s.updates.at(updates++) : nullptr);
    });
  }
};

/// Samples that moved among all, in the mean over a scan's iterations.
double moving_share(const PhaseStatistics& phase) {
  std::int64_t moving = 0, samples = 0;
  for (const IterationStatistics& it : phase.by_iteration) moving += it.moving, samples += it.samples;
  return samples > 0 ? share(moving, samples) : 1;
}

/// The rates that a run has shown.
std::vector<StepRates> measured_rates(const CountedSteps& counted, const Times& times, std::int64_t batches) {
  std::vector<StepRates> rates;
  double moving = 1;
  for (std::size_t i = 0; i < counted.steps.size(); ++i) {
    if (const PhaseStatistics* phase = counted.phase[i]) moving = moving_share(*phase);
    StepRates& own = rates.emplace_back();
    own.moving = moving;
    own.runs = static_cast<double>(times.at(i).runs) / static_cast<double>(batches);
    const std::vector<Step>& body = counted.steps[i]->body;
    if (!body.empty() && times[i].runs > 0) own.iterations = share(times.at(i + 1).runs, times[i].runs);
    if (const FollowStatistics* f = counted.follow[i]) {
      own.whole = share(f->wholes, f->wholes + f->changes);
      own.changed = share(f->changed, f->senders);
      own.panel_changed = share(f->panel_changed, f->panel_senders);
    }
    if (const UpdateStatistics* u = counted.update[i]) own.erring = 1 - share(u->silent, u->columns);
  }
  return rates;
}

void add_observations(PlanExplanation& explanation, const CountedSteps& counted, const RunStatistics& s) {
  for (StepExplanation& step : explanation.steps) {
    const auto i = static_cast<std::size_t>(step.position);
    if (const PhaseStatistics* phase = counted.phase.at(i)) {
      std::vector<std::string> flips, moving;
      for (const IterationStatistics& it : phase->by_iteration) {
        flips.push_back(percent(share(it.flips, it.values)));
        moving.push_back(percent(share(it.moving, it.samples)));
      }
      if (!flips.empty()) {
        step.seen.push_back({"units that flip, by iteration", fmt::format("{}", fmt::join(flips, ", "))});
        step.seen.push_back({"samples that move, by iteration", fmt::format("{}", fmt::join(moving, ", "))});
      }
    }
    if (const FollowStatistics* f = counted.follow.at(i)) {
      step.seen.push_back({"runs", fmt::format("{} changes, {} whole", f->changes, f->wholes)});
      if (f->changes > 0)
        step.seen.push_back(
            {"senders that change",
             fmt::format("{} of a sample's, {} of a panel's", percent(share(f->changed, f->senders)),
                         percent(share(f->panel_changed, f->panel_senders)))});
    }
    if (const UpdateStatistics* u = counted.update.at(i))
      step.seen.push_back({"columns without an error", percent(share(u->silent, u->columns))});
  }
  explanation.seen.push_back(
      {"batches with fields in int64", fmt::format("{} of {}", s.wide_batches, s.batches)});
  explanation.seen.push_back({"bounds of fields added up", fmt::format("{} times", s.bound_checks)});
}

/// Lets a session train and evaluate by turns, in chunks.
class Measurement {
 public:
  Measurement(const NetworkFile& file, const Dataset& data, std::int64_t batch, std::int64_t evaluated,
              int threads)
      : stream_(file, data, batch),
        train_(labelled(data.train, data.code)),
        test_(labelled(data.test, data.code)),
        batch_(batch),
        evaluated_(evaluated),
        threads_(threads),
        test_batches_(data.test.images() / evaluated) {}

  void train(Session& session, std::int64_t batches) { session.train(train_, stream_.next(batches), batch_); }
  /// How many of so many batches the test images give; as many for each thread, where there are enough.
  std::int64_t evaluate(Session& session, std::int64_t batches) {
    batches = (batches + threads_ - 1) / threads_ * threads_;
    if (batches > test_batches_)
      batches = test_batches_ < threads_ ? test_batches_ : test_batches_ / threads_ * threads_;
    if (batches > 0) session.hits(test_, batches * evaluated_, evaluated_);
    return batches;
  }

 private:
  BatchStream stream_;
  LabelledData train_, test_;
  std::int64_t batch_, evaluated_, threads_, test_batches_;
};

struct PlanTimes {
  std::vector<Times> profiles;
  std::vector<std::int64_t> batches;

  void take(Profile& profile, const std::string& plan, std::int64_t count) {
    if (count == 0) return;
    profiles.push_back(profile.plans.at(plan));
    batches.push_back(count);
  }
};

bool shares_batches(const Plan& plan) {
  return std::ranges::any_of(plan.steps, [](const Step& step) { return step.threads == Threads::samples; });
}

/// Explains a plan with the rates that a run has shown, then puts the run's times beside the estimates.
PlanExplanation explained(const Plan& plan, const PlanOptions& made_for, const PlanTimes& measured,
                          const std::map<std::string, std::int64_t>& iterations, Session& counting,
                          int threads) {
  const PlanSizes sizes = sizes_of(plan, made_for);
  const Target& target = made_for.target;
  if (measured.profiles.empty())
    return explain(plan, sizes, target, default_rates(plan, iterations), threads);
  std::int64_t batches = 0;
  for (const std::int64_t n : measured.batches) batches += n;
  Times times = median_times(plan, measured.profiles, measured.batches);
  if (threads > 1 && shares_batches(plan)) {
    // What the first thread ran is its share of the batches.
    for (Profile::StepTime& time : times) time.runs *= threads;
  }
  for (const auto& [name, statistics] : counting.take_statistics()) {
    if (name != plan.name) continue;
    const CountedSteps counted(plan, statistics);
    PlanExplanation e = explain(plan, sizes, target, measured_rates(counted, times, batches), threads);
    add_times(e, times, batches, target, clock_seconds());
    add_observations(e, counted, statistics);
    return e;
  }
  internal_error("plan {}: it was run, but nothing was counted", plan.name);
}

}  // namespace

void add_times(PlanExplanation& explanation, const std::vector<Profile::StepTime>& times,
               std::int64_t batches, const Target& target, double clock_seconds) {
  std::vector<StepExplanation>& steps = explanation.steps;
  const auto time_of = [&](const StepExplanation& step) {
    const auto position = static_cast<std::size_t>(step.position);
    if (position >= times.size())
      internal_error("a profile of {} steps has none at {}", times.size(), position);
    return times[position];
  };
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Profile::StepTime own = time_of(steps[i]);
    double seconds = own.seconds - static_cast<double>(own.runs) * clock_seconds;
    for (std::size_t j = i + 1; j < steps.size() && steps[j].depth > steps[i].depth; ++j) {
      if (steps[j].depth != steps[i].depth + 1) continue;
      const Profile::StepTime inner = time_of(steps[j]);
      seconds -= inner.seconds + static_cast<double>(inner.runs) * clock_seconds;
    }
    steps[i].runs = static_cast<double>(own.runs) / static_cast<double>(batches);
    steps[i].measured_us = 1e6 * std::max(seconds, 0.0) / static_cast<double>(batches);
    const double least_ns = std::max(steps[i].flops / (2 * target.fmas), steps[i].bytes / target.l2_rate);
    if (*steps[i].measured_us > 0 && least_ns > 0)
      steps[i].roofline = least_ns / 1000 * *steps[i].runs / *steps[i].measured_us;
  }
}

Explanation analyze(const NetworkFile& file, const Dataset& data, const AnalyzeOptions& options,
                    const ExplainedProbes& probes) {
  if (options.steps < 1) fail("steps: expected at least 1, found {}", options.steps);
  if (data.train.images() < 1) fail("number of train images: expected at least 1, found 0");
  const std::int64_t batch = std::min(file.data.batch_size, data.train.images());
  Target target = options.target ? *options.target : measured_target();
  const int threads = options.compile.team ? options.compile.team->size() : 1;
  target.cores = threads;
  Planned planned = plan_epochs(file.network, batch, target, {options.compile.passes, {}}, probes);
  // As an evaluation of all test images takes them.
  planned.evaluated.images =
      std::clamp(shared_evaluation_batch(planned.evaluated.images, batch, data.test.images(), threads),
                 std::int64_t{1}, std::max<std::int64_t>(data.test.images(), 1));
  SessionOptions timed = options.compile;
  timed.plan = planned.options;
  timed.profile = std::make_shared<Profile>();
  Session session(file.network, timed);
  Measurement measurement(file, data, batch, planned.evaluated.images, threads);
  const auto keep = [](std::string_view, const std::vector<std::int64_t>&, const Tensor&) {};
  constexpr std::int64_t always = std::int64_t{1} << 62;
  const auto probe = [&](Session& probed) {
    if (!probes.train.empty()) probed.record({probes.train, keep, 0, always});
    if (!probes.evaluate.empty()) probed.record({probes.evaluate, keep, 0, always}, true);
  };
  probe(session);
  measurement.train(session, std::max<std::int64_t>(options.after_steps, 1));
  measurement.evaluate(session, 1);

  PlanTimes train, evaluate;
  constexpr std::int64_t most_chunks = 15;
  const std::int64_t chunks = std::min(most_chunks, options.steps);
  for (std::int64_t c = 0; c < chunks; ++c) {
    const std::int64_t steps = options.steps * (c + 1) / chunks - options.steps * c / chunks;
    timed.profile->reset();
    measurement.train(session, steps);
    train.take(*timed.profile, "train", steps);
    evaluate.take(*timed.profile, "evaluate", measurement.evaluate(session, steps));
  }
  SessionOptions counted;
  counted.passes = options.compile.passes;
  counted.plan = planned.options;
  counted.statistics = true;
  Session counting(file.network, counted);
  probe(counting);
  counting.restore(session.edges());
  measurement.train(counting, options.looks);
  Explanation result{.target = target, .batch = batch, .train = {}, .evaluate = {}};
  result.threads = threads;
  result.backend = name_of(timed.backend);
  result.evaluated = planned.evaluated;
  result.train =
      explained(planned.train, planned.options, train, planned.train_iterations, counting, threads);
  measurement.evaluate(counting, options.looks);
  result.evaluate = explained(planned.evaluate, planned.evaluation(), evaluate, planned.evaluate_iterations,
                              counting, threads);
  add_left_out(result.train, planned.train, timed);
  add_left_out(result.evaluate, planned.evaluate, timed);
  return result;
}

}  // namespace relaxon
