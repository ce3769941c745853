#include "frontends/analyze.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/error.hpp"
#include "frontends/analysis/analysis.hpp"
#include "frontends/batch_stream.hpp"
#include "frontends/bench/peak.hpp"
#include "runtime/session.hpp"

namespace relaxon {
namespace {

/// What one core reads and writes in a second, copying within its second cache, where the operands of most
/// steps lie.
double measured_bytes_per_second(const Target& target) {
  const std::size_t bytes = static_cast<std::size_t>(target.l2 > 0 ? target.l2 : 1 << 20) / 4;
  Tensor from(DType::u8, {static_cast<std::int64_t>(bytes)}),
      to(DType::u8, {static_cast<std::int64_t>(bytes)});
  using Clock = std::chrono::steady_clock;
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    constexpr int copies = 200;
    const auto start = Clock::now();
    for (int i = 0; i < copies; ++i) {
      from.raw()[static_cast<std::size_t>(i)] = std::byte{1};  // so that no copy is the last one's
      std::memcpy(to.raw(), from.raw(), bytes);
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::max(best, 2.0 * copies * static_cast<double>(bytes) / seconds);
  }
  return best;
}

Target measured_target() {
  Target target = host_target();
  target.flops_per_second = bench::measured_flops_per_second(target.isa);
  target.bytes_per_second = measured_bytes_per_second(target);
  return target;
}

std::string percent(double share) { return fmt::format("{:.2f} %", 100 * share); }

/// The share of a row's units whose error is 0 in a whole batch: updates skip their columns.
double silent_share(const Recorder& recorder, EdgeId edge, std::int64_t batch) {
  const Tensor errors = recorder.array(to_string(Probe{.kind = Probe::Kind::error, .edge = edge}));
  const std::int64_t units = errors.shape().back(), batches = errors.size() / units / batch;
  const auto values = errors.data<std::int8_t>();
  std::int64_t silent = 0;
  for (std::int64_t i = 0; i < batches; ++i) {
    for (std::int64_t k = 0; k < units; ++k) {
      bool zero = true;
      for (std::int64_t b = 0; b < batch; ++b)
        zero = zero && values[static_cast<std::size_t>((i * batch + b) * units + k)] == 0;
      silent += zero ? 1 : 0;
    }
  }
  return static_cast<double>(silent) / static_cast<double>(batches * units);
}

/// What the dynamics did: which units flip, which updates have nothing to do.
std::vector<Observation> observe(Session& session, const NetworkFile& file, const Dataset& data,
                                 BatchStream& stream, std::int64_t batch, std::int64_t looks) {
  std::vector<Observation> seen;
  if (file.network.map.output() > 1) {
    const AnalysisTable flips = analyse(Analysis::flips, session, file, data, stream, {looks});
    for (std::size_t c = 2; c < flips.columns.size(); ++c) {
      std::vector<std::string> shares;
      for (const auto& row : flips.rows) shares.push_back(fmt::format("{}", percent(std::stod(row[c]))));
      seen.push_back({fmt::format("units of {} that flip, sweep by sweep from the second", flips.columns[c]),
                      fmt::format("{}", fmt::join(shares, ", "))});
    }
  }
  std::vector<Probe> probes;
  for (const EdgeId edge : file.network.map.trainable())
    probes.push_back({.kind = Probe::Kind::error, .edge = edge});
  Recorder recorder;
  session.record({probes, recorder.sink(), 0, looks});
  session.train(labelled(data.train, data.code), stream.next(looks), batch);
  for (const Probe& p : probes) {
    seen.push_back({fmt::format("columns that the update of {} skips", to_string(p.edge)),
                    percent(silent_share(recorder, p.edge, batch))});
  }
  return seen;
}

}  // namespace

void add_times(PlanExplanation& explanation, const std::vector<Profile::StepTime>& times,
               std::int64_t batches) {
  std::vector<StepExplanation>& steps = explanation.steps;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto position = static_cast<std::size_t>(steps[i].position);
    if (position >= times.size())
      internal_error("a profile of {} steps has none at {}", times.size(), position);
    double seconds = times[position].seconds;
    for (std::size_t j = i + 1; j < steps.size() && steps[j].depth > steps[i].depth; ++j) {
      if (steps[j].depth == steps[i].depth + 1)
        seconds -= times[static_cast<std::size_t>(steps[j].position)].seconds;
    }
    steps[i].runs = static_cast<double>(times[position].runs) / static_cast<double>(batches);
    steps[i].measured_us = 1e6 * std::max(seconds, 0.0) / static_cast<double>(batches);
    if (steps[i].estimated_us && *steps[i].measured_us > 0)
      steps[i].roofline = *steps[i].estimated_us * *steps[i].runs / *steps[i].measured_us;
  }
}

Explanation analyze(const NetworkFile& file, const Dataset& data, const AnalyzeOptions& options,
                    const ExplainedProbes& probes) {
  if (options.steps < 1) fail("steps: expected at least 1, found {}", options.steps);
  if (data.train.images() < 1) fail("number of train images: expected at least 1, found 0");
  const std::int64_t batch = std::min(file.data.batch_size, data.train.images());
  Explanation e = explain(file.network, batch, measured_target(), {}, probes);
  SessionOptions timed;
  timed.profile = std::make_shared<Profile>();
  Session session(file.network, timed);
  BatchStream stream(file, data, batch);
  const LabelledData train = labelled(data.train, data.code), test = labelled(data.test, data.code);
  const auto keep = [](std::string_view, const std::vector<std::int64_t>&, const Tensor&) {};
  constexpr std::int64_t always = std::int64_t{1} << 62;
  if (!probes.train.empty()) session.record({probes.train, keep, 0, always});
  if (!probes.evaluate.empty()) session.record({probes.evaluate, keep, 0, always}, true);
  session.train(train, stream.next(std::max<std::int64_t>(options.after_steps, 1)), batch);
  const std::int64_t tested = std::min(options.steps * batch, data.test.images() / batch * batch);
  if (tested > 0) session.hits(test, tested, batch);
  timed.profile->reset();
  session.train(train, stream.next(options.steps), batch);
  add_times(e.train, timed.profile->plans.at("train"), options.steps);
  if (tested > 0) {
    session.hits(test, tested, batch);
    add_times(e.evaluate, timed.profile->plans.at("evaluate"), tested / batch);
  }
  Session looked(file.network);
  looked.restore(session.edges());
  e.train.seen = observe(looked, file, data, stream, batch, options.looks);
  return e;
}

}  // namespace relaxon
