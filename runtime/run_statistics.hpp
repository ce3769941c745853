// What happened while a plan ran: which units flipped, what settled, what was skipped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace relaxon {

/// One iteration of a scan, over all batches that reached it.
struct IterationStatistics {
  std::int64_t samples = 0;  // that were iterated
  std::int64_t moving = 0;   // of these, with a unit that flipped
  std::int64_t values = 0;   // units times samples
  std::int64_t flips = 0;    // of these, that changed
};

/// A phase: the states of +-1 rows that its scan carries, all together.
struct PhaseStatistics {
  std::string iterations;  // the binding that says how many, "iterations/0"
  std::int64_t batches = 0;
  std::vector<IterationStatistics> by_iteration;
};

/// Messages that are carried along, by the edge of their weight.
struct FollowStatistics {
  std::string edge;
  std::int64_t changes = 0, wholes = 0;  // how often only the change was added, how often all was computed
  // Where only the change was added: senders times samples, and those that differed; senders times panels,
  // and those that differed in some sample of the panel.
  std::int64_t senders = 0, changed = 0, panel_senders = 0, panel_changed = 0;
};

struct UpdateStatistics {
  std::string edge;
  std::int64_t columns = 0, silent = 0;  // receivers times batches; those without an error in the batch
};

struct RunStatistics {
  std::int64_t batches = 0;
  std::int64_t wide_batches = 0;  // with fields in int64
  std::int64_t bound_checks = 0;  // how often columns were added up to know whether fields fit int32
  std::vector<PhaseStatistics> phases;
  std::vector<FollowStatistics> follows;
  std::vector<UpdateStatistics> updates;

  /// Adds what another run of the same plan counted.
  void add(const RunStatistics& other);
  /// Sets all counts to 0.
  void clear();
};

/// A table for people to read; `name` is a line above it.
std::string to_text(const RunStatistics& statistics, const std::string& name);

}  // namespace relaxon
