#include "runtime/run_statistics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace relaxon {
namespace {

double share(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

void RunStatistics::add(const RunStatistics& other) {
  batches += other.batches;
  wide_batches += other.wide_batches;
  bound_checks += other.bound_checks;
  for (std::size_t p = 0; p < phases.size(); ++p) {
    phases[p].batches += other.phases[p].batches;
    auto& own = phases[p].by_iteration;
    const auto& others = other.phases[p].by_iteration;
    own.resize(std::max(own.size(), others.size()));
    for (std::size_t i = 0; i < others.size(); ++i) {
      own[i].samples += others[i].samples;
      own[i].moving += others[i].moving;
      own[i].values += others[i].values;
      own[i].flips += others[i].flips;
    }
  }
  for (std::size_t i = 0; i < follows.size(); ++i) {
    follows[i].changes += other.follows[i].changes;
    follows[i].wholes += other.follows[i].wholes;
    follows[i].senders += other.follows[i].senders;
    follows[i].changed += other.follows[i].changed;
    follows[i].panel_senders += other.follows[i].panel_senders;
    follows[i].panel_changed += other.follows[i].panel_changed;
  }
  for (std::size_t i = 0; i < updates.size(); ++i) {
    updates[i].columns += other.updates[i].columns;
    updates[i].silent += other.updates[i].silent;
  }
}

void RunStatistics::clear() {
  batches = wide_batches = bound_checks = 0;
  for (PhaseStatistics& phase : phases) {
    phase.batches = 0;
    phase.by_iteration.clear();
  }
  for (FollowStatistics& follow : follows) follow = {.edge = std::move(follow.edge)};
  for (UpdateStatistics& update : updates) update.columns = update.silent = 0;
}

std::string to_text(const RunStatistics& s, const std::string& name) {
  std::string text =
      fmt::format("{}: {} batches, {} of them with fields in int64\n", name, s.batches, s.wide_batches);
  for (const PhaseStatistics& phase : s.phases) {
    text += fmt::format("  {}, {} batches\n    iteration  samples  moving  units flipped\n", phase.iterations,
                        phase.batches);
    for (std::size_t i = 0; i < phase.by_iteration.size(); ++i) {
      const IterationStatistics& it = phase.by_iteration[i];
      text += fmt::format("    {:9}  {:7}  {:5.1f}%  {:.4f}%\n", i + 1, it.samples,
                          share(it.moving, it.samples), share(it.flips, it.values));
    }
  }
  for (const FollowStatistics& f : s.follows) {
    text += fmt::format("  message {}: {} changes, {} whole\n", f.edge, f.changes, f.wholes);
  }
  for (const UpdateStatistics& u : s.updates) {
    text +=
        fmt::format("  update {}: {:.1f}% of columns without an error\n", u.edge, share(u.silent, u.columns));
  }
  return text;
}

}  // namespace relaxon
