// One step of a plan, ready to run.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "passes/plan/plan.hpp"
#include "runtime/executor/barriers.hpp"
#include "runtime/executor/bound_guard.hpp"
#include "runtime/executor/memory.hpp"
#include "runtime/jit/code.hpp"
#include "runtime/kernels/kernels.hpp"
#include "runtime/program.hpp"
#include "runtime/run_statistics.hpp"
#include "runtime/thread_team.hpp"

namespace relaxon::executor {

class Runnable;

/// What all steps of an executor share.
struct Context {
  const Plan& plan;
  Memory& memory;
  BoundGuard& guard;
  const KernelTable& kernels;
  Isa isa;                // of the kernels and of the code
  const jit::Code* code;  // backend jit: generated functions; else null
  Frame frame;
  ThreadTeam& team;
  const ProbeSink* probes = nullptr;
  RunStatistics* statistics = nullptr;              // null: nobody asked
  ThreadPart samples = {};                          // of the batches of a loop that shares them out
  std::int32_t steps_made = 0;                      // by make_runnables so far
  std::vector<Profile::StepTime>* times = nullptr;  // where the times of steps go, if anybody wants them
  std::vector<Runnable*> unfinished = {};           // steps whose parts wait for the next barrier

  Place& place(SlotId id) { return memory[id]; }
  const Place& place(SlotId id) const { return std::as_const(memory)[id]; }
  /// Waits until every thread of the team is here. Then the first one puts together what parts have left.
  void barrier(ThreadPart part);
  /// Null for an invalid id.
  const Place* place_if_any(SlotId id) const { return id.index < 0 ? nullptr : &place(id); }
  /// A weight was written anew, not by an update.
  void weight_loaded(SlotId id) {
    guard.weight_loaded(id);
    ++place(id).version;
  }
};

/// The kernel for fields of type T, of its two widths.
template <class T, class Narrow, class Wide>
auto of_width(Narrow narrow, Wide wide) {
  if constexpr (sizeof(T) == 4) {
    return narrow;
  } else {
    return wide;
  }
}

/// How the threads of a team run a step.
enum class Sharing : std::uint8_t {
  first,  // the first alone
  parts,  // each a part
  team,   // all of them, with barriers of its own, which leave them in step
};

/// Runs one kernel. Made once; run() neither allocates nor looks anything up.
class Runnable {
 public:
  virtual ~Runnable() = default;
  virtual Sharing sharing() const { return Sharing::first; }
  virtual void run(Context& context, ThreadPart part) = 0;
  /// Whether finish() has something to do: putting together what the parts have found, on the first thread,
  /// after the barrier that follows. Steps that come before it may run meanwhile.
  virtual bool finishes() const { return false; }
  virtual void finish(Context&) {}
  /// Finds out where a team has to wait: here, and inside.
  virtual void arrange(Barriers& barriers);

  std::int32_t position = -1;         // in the order plans are printed; -1: no step of the plan
  std::vector<Access> accesses = {};  // what a team's threads touch
  bool waits = false;                 // at a barrier before it
};

using Runnables = std::vector<std::unique_ptr<Runnable>>;

/// Runs steps one after the other on every thread that calls it. They may leave it at different times.
void run_steps(const Runnables& steps, Context& context, ThreadPart part);

std::unique_ptr<Runnable> make_runnable(const Step& step, Context& context);
Runnables make_runnables(const std::vector<Step>& steps, Context& context);

// By topic; make_runnable picks one.
std::unique_ptr<Runnable> make_data_step(const Step& step, Context& context);
std::unique_ptr<Runnable> make_message_step(const Step& step, Context& context);
std::unique_ptr<Runnable> make_epilogue_step(const Step& step, Context& context);
std::unique_ptr<Runnable> make_update_step(const Step& step, Context& context);
std::unique_ptr<Runnable> make_control_step(const Step& step, Context& context);
std::unique_ptr<Runnable> make_reference_step(const Step& step, Context& context);
/// A step that runs the generated function, where there is one, or else `table`.
std::unique_ptr<Runnable> make_generated_step(const Step& step, Context& context,
                                              std::unique_ptr<Runnable> table);

/// How two states of some senders of q differ.
Changes changes_of(const Context& context, Units senders, SignsIn from, SignsIn to);
/// Whether so many of these do that the plan wants the whole message (Step::whole_from).
bool wants_whole(const Context& context, const Place& q, Units senders, std::int64_t whole_from,
                 Changes changes);
/// What of a message through q must be computed when its senders go from one state to another.
enum class ToCompute : std::uint8_t { nothing, changes, whole };
ToCompute to_compute(const Context& context, const Place& q, Units senders, std::int64_t whole_from,
                     SignsIn from, SignsIn to);

/// A step that makes q of a weight where updates of it may have left it (Step::kept).
class KeptFixed {
 public:
  explicit KeptFixed(const Step& step) : kept_(step.kept), weight_(step.inputs[0]), q_(step.outputs[0]) {}
  bool kept() const { return kept_; }
  /// Whether q is that of the weight as it stands.
  bool current(Context& c) const { return kept_ && c.place(q_).version == c.place(weight_).version; }
  /// q was made.
  void made(Context& c) const { c.place(q_).version = c.place(weight_).version; }

 private:
  bool kept_;
  SlotId weight_, q_;
};

/// What lies in the slots of a correlation.
CorrelationSides sides_of(Context& context, const Correlated& slots);

/// Takes the reports of an update or apply step.
std::function<void(Context&, const UpdateReport&)> update_reporter(const Step& step);

/// A Runnable from a function object, for the first thread.
template <class F>
std::unique_ptr<Runnable> runnable(F function) {
  class Function final : public Runnable {
   public:
    explicit Function(F f) : function_(std::move(f)) {}
    void run(Context& context, ThreadPart) override { function_(context); }

   private:
    F function_;
  };
  return std::make_unique<Function>(std::move(function));
}

/// A step that every thread runs a part of, if the plan says so.
class SharedStep : public Runnable {
 public:
  explicit SharedStep(const Step& step)
      : shared_(step.threads == Threads::columns || step.threads == Threads::senders) {}
  Sharing sharing() const override { return shared_ ? Sharing::parts : Sharing::first; }

 private:
  bool shared_;
};

/// The same from a function object: function(context, part).
template <class F>
std::unique_ptr<Runnable> shared_runnable(const Step& step, F function) {
  class Function final : public SharedStep {
   public:
    Function(const Step& step, F f) : SharedStep(step), function_(std::move(f)) {}
    void run(Context& context, ThreadPart part) override { function_(context, part); }

   private:
    F function_;
  };
  return std::make_unique<Function>(step, std::move(function));
}

/// A weight of which a call computes a part's receivers.
template <class Weight>
Weight part_of(Weight weight, ThreadPart part) {
  const Units units = units_of(weight.receivers, part);
  weight.begin = units.begin;
  weight.end = units.end;
  return weight;
}

/// A dense weight of which a call takes some senders.
template <class T>
DenseWeight<T> rows_of(DenseWeight<T> weight, Units senders) {
  weight.first_sender = senders.begin;
  weight.last_sender = senders.end;
  return weight;
}

}  // namespace relaxon::executor
