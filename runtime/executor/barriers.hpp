// Where the threads of a team must wait for each other.
#pragma once

#include <compare>
#include <set>
#include <vector>

#include "passes/plan/plan.hpp"
#include "runtime/executor/memory.hpp"

namespace relaxon::executor {

/// What each thread of a team touches of a slot.
enum class Reach : std::uint8_t {
  first,    // the first thread anything, the others nothing
  units,    // its units, as units_of() cuts them: of values with a batch axis, of receivers of sparse weights
  shares,   // its shares of partial rows, and the rows of a dense weight that it adds to them
  senders,  // its rows of a dense weight, as senders_of() cuts them for the team
  all,      // anything
};

/// What a step does with a slot, or with something else that threads share (below).
struct Access {
  SlotId slot;
  Reach reach;
  bool writes;
  auto operator<=>(const Access&) const = default;
};

/// The batch at hand and the width of its fields, which all shared steps read.
inline constexpr SlotId frame_slot{-1};
/// What the parts of a step leave for finish(); `position` is any number of its own.
inline SlotId parts_slot(std::int32_t position) { return SlotId{-2 - position}; }

/// What a step other than a loop touches when a team runs it. `position`: the step's own number.
std::vector<Access> accesses_of(const Plan& plan, const Step& step, std::int32_t position);

/// The same of a loop, its body apart: when it starts, when an iteration begins, when threads look whether
/// something moved, and when they carry what is yielded.
struct LoopAccesses {
  std::vector<Access> start, begin, look, carry;
};
LoopAccesses accesses_of_loop(const Plan& plan, const Step& loop);

/// Walks steps in the order they run and says which of them must wait at a barrier: those that touch what
/// another thread may have written since the last barrier, or write what it may still be at.
class Barriers {
 public:
  /// `shares_are_senders`: the team is as large as the plan's, so that the shares of partial rows are those
  /// of updates, too.
  Barriers(const Memory& memory, bool shares_are_senders)
      : memory_(&memory), shares_are_senders_(shares_are_senders) {}

  /// The next step: whether a barrier must come before it. `finishes`: its parts are put together after the
  /// next barrier.
  bool next(const std::vector<Access>& accesses, SlotId finishes = {});

  /// All threads have met.
  void met();

  /// What may have been touched since the last barrier, too.
  void add(const std::vector<Access>& accesses);
  /// The same, of another path to this place.
  void add(const Barriers& other);

 private:
  bool conflict(const Access& a, const Access& b) const;

  const Memory* memory_;
  bool shares_are_senders_;
  std::set<Access> pending_;     // since the last barrier
  std::set<SlotId> unfinished_;  // parts that are put together after the next one
};

}  // namespace relaxon::executor
