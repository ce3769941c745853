// One step of a plan, ready to run.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "passes/plan/plan.hpp"
#include "runtime/executor/bound_guard.hpp"
#include "runtime/executor/memory.hpp"
#include "runtime/jit/code.hpp"
#include "runtime/kernels/kernels.hpp"
#include "runtime/program.hpp"

namespace relaxon::executor {

/// What all steps of an executor share.
struct Context {
  const Plan& plan;
  Memory& memory;
  BoundGuard& guard;
  const KernelTable& kernels;
  Isa isa;                // of the kernels and of the code
  const jit::Code* code;  // backend jit: generated functions; else null
  Frame frame;
  const ProbeSink* probes = nullptr;

  Place& place(SlotId id) { return memory[id]; }
};

/// Runs one kernel. Made once; run() neither allocates nor looks anything up.
class Runnable {
 public:
  virtual ~Runnable() = default;
  virtual void run(Context& context) = 0;
};

using Runnables = std::vector<std::unique_ptr<Runnable>>;

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

/// Takes the reports of an update or apply step.
std::function<void(Context&, const UpdateReport&)> update_reporter(const Step& step);

/// A Runnable from a function object.
template <class F>
std::unique_ptr<Runnable> runnable(F function) {
  class Function final : public Runnable {
   public:
    explicit Function(F f) : function_(std::move(f)) {}
    void run(Context& context) override { function_(context); }

   private:
    F function_;
  };
  return std::make_unique<Function>(std::move(function));
}

}  // namespace relaxon::executor
