#include "runtime/executor/executor.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.hpp"
#include "core/math.hpp"
#include "runtime/bindings.hpp"
#include "runtime/executor/step.hpp"

namespace relaxon {
namespace {

using executor::Context;
using executor::Memory;

class Executor final : public Program {
 public:
  Executor(Graph lowered, Plan plan, Isa isa, ExecutorOptions options, ThreadPart samples)
      : Program(std::move(lowered)),
        generated_(std::move(options.generated)),
        plan_(std::move(plan)),
        team_(std::move(options.team)),
        memory_(plan_, team_->size()),
        guard_(plan_),
        context_{plan_,   memory_,
                 guard_,  kernels(isa),
                 isa,     generated_.code.get(),
                 {},      *team_,
                 nullptr, options.statistics ? &statistics_ : nullptr,
                 samples},
        steps_(executor::make_runnables(plan_.steps, context_)) {
    const auto first = std::find_if(plan_.steps.begin(), plan_.steps.end(),
                                    [&](const Step& step) { return writes_fields(step); });
    if (options.profile) {
      profile_ = std::move(options.profile);
      context_.times = &profile_->plans[plan_.name];
      context_.times->assign(static_cast<std::size_t>(context_.steps_made), {});
    }
    // Loops over batches decide for each batch.
    auto width = executor::runnable([](Context& c) { c.frame.wide = !c.guard.fits_int32(c.memory); });
    width->accesses = {{executor::frame_slot, executor::Reach::first, true}};
    steps_.insert(steps_.begin() + (first - plan_.steps.begin()), std::move(width));
  }

  std::vector<TensorPtr> run(const Arguments& arguments, const ProbeSink& probes) override {
    const FlushToZero mode;
    const Symbols symbols = check_arguments(graph(), arguments);
    const std::int64_t batch = symbols['B'] > 0 ? symbols['B'] : largest_slice(arguments);
    const bool moved = memory_.prepare(std::max<std::int64_t>(batch, 1), arguments.patterns);
    if (moved && team_->size() > 1) arrange();
    bind(arguments);
    context_.frame.set_batch(batch);
    context_.frame.loops.clear();
    ++context_.frame.run;
    context_.probes = &probes;
    guard_.start_run();
    context_.unfinished.clear();
    team_->run([&](ThreadPart part) {
      executor::run_steps(steps_, context_, part);
      if (part.count > 1) context_.barrier(part);
    });
    std::vector<TensorPtr> results;
    for (const Plan::Port& result : plan_.results) {
      // The slot keeps its tensor to itself: the caller's stays as it is when the plan runs again.
      results.push_back(std::make_shared<const Tensor>(*memory_[result.slot].tensor));
    }
    release_bindings();
    return results;
  }

  const RunStatistics* statistics() const override { return context_.statistics; }
  void clear_statistics() override { statistics_.clear(); }
  const jit::CodeReport* code_report() const override {
    return generated_.code ? &generated_.report : nullptr;
  }

 private:
  /// Where the team waits follows from what lies where.
  void arrange() {
    executor::Barriers barriers(memory_, team_->size() == plan_.threads);
    for (const auto& step : steps_) step->arrange(barriers);
  }

  bool writes_fields(const Step& step) const {
    const auto is_field = [&](SlotId s) { return holds_fields(plan_.slot(s).storage); };
    return std::any_of(step.outputs.begin(), step.outputs.end(), is_field) ||
           (step.kernel == Kernel::scan &&
            std::any_of(step.body.begin(), step.body.end(), [&](const Step& s) { return writes_fields(s); }));
  }

  /// Samples in the largest batch that slices of these arguments can make.
  std::int64_t largest_slice(const Arguments& arguments) const {
    std::int64_t largest = 0;
    for_each_step(plan_.steps, [&](const Step& step, int) {
      if (step.kernel != Kernel::slice) return;
      const TensorPtr order = bound(step.inputs[0], arguments);
      const TensorPtr size = bound(step.inputs[2], arguments);
      if (!order || !size) internal_error("plan {}: a slice of values that are not bound", plan_.name);
      largest = std::max<std::int64_t>(largest,
                                       std::min<std::int64_t>(order->size(), size->data<std::int32_t>()[0]));
    });
    return largest;
  }

  TensorPtr bound(SlotId slot, const Arguments& arguments) const {
    for (const Plan::Port& port : plan_.bindings) {
      if (port.slot == slot) return arguments.bindings[graph().binding_index(port.name)];
    }
    return nullptr;
  }

  void bind(const Arguments& arguments) {
    for (const Plan::Port& port : plan_.bindings) {
      memory_[port.slot].tensor = arguments.bindings[graph().binding_index(port.name)];
    }
    for (const SlotId slot : guard_.watched_bindings()) watch(slot);
  }

  /// The largest magnitude of a real-valued input, found once for each tensor that the caller shares (one
  /// that is only borrowed may change under the same address).
  void watch(SlotId slot) {
    const TensorPtr& tensor = memory_[slot].tensor;
    TensorPtr& seen = watched_[slot];
    if (tensor == seen && tensor.use_count() > 0) return;
    seen = tensor;
    double largest = 0;
    if (tensor->dtype() == DType::f32) {
      for (const float v : tensor->data<float>())
        largest = std::max(largest, std::abs(static_cast<double>(v)));
    }
    guard_.set_largest(slot, largest);
  }

  void release_bindings() {
    for (const Plan::Port& port : plan_.bindings) memory_[port.slot].tensor.reset();
  }

  jit::Compiled generated_;
  Plan plan_;
  std::shared_ptr<ThreadTeam> team_;
  Memory memory_;
  executor::BoundGuard guard_;
  RunStatistics statistics_;
  Context context_;
  executor::Runnables steps_;
  std::map<SlotId, TensorPtr> watched_;
  std::shared_ptr<Profile> profile_;
};

/// Runs a plan whose loop over batches is shared out, an executor a thread, and adds up what they counted.
class SampleExecutor final : public Program {
 public:
  SampleExecutor(Graph lowered, const Plan& plan, Isa isa, const ExecutorOptions& options)
      : Program(lowered), team_(options.team) {
    for (int i = 0; i < team_->size(); ++i) {
      ExecutorOptions own = options;
      own.team = std::make_shared<ThreadTeam>(1);
      if (i > 0) own.profile = nullptr;
      executors_.push_back(
          std::make_unique<Executor>(lowered, plan, isa, std::move(own), ThreadPart{i, team_->size()}));
    }
  }

  const jit::CodeReport* code_report() const override { return executors_[0]->code_report(); }

  std::vector<TensorPtr> run(const Arguments& arguments, const ProbeSink& probes) override {
    std::vector<std::vector<TensorPtr>> results(executors_.size());
    team_->run([&](ThreadPart part) {
      const auto i = static_cast<std::size_t>(part.index);
      results[i] = executors_[i]->run(arguments, probes);
    });
    std::vector<TensorPtr> sums;
    for (std::size_t r = 0; r < results[0].size(); ++r) {
      Tensor sum = *results[0][r];
      for (std::size_t i = 1; i < results.size(); ++i)
        sum.data<std::int64_t>()[0] += results[i][r]->data<std::int64_t>()[0];
      sums.push_back(std::make_shared<const Tensor>(std::move(sum)));
    }
    if (executors_[0]->statistics()) {
      statistics_ = *executors_[0]->statistics();
      for (std::size_t i = 1; i < executors_.size(); ++i) statistics_.add(*executors_[i]->statistics());
    }
    return sums;
  }

  const RunStatistics* statistics() const override {
    return executors_[0]->statistics() ? &statistics_ : nullptr;
  }
  void clear_statistics() override {
    statistics_.clear();
    for (const auto& executor : executors_) executor->clear_statistics();
  }

 private:
  RunStatistics statistics_;
  std::shared_ptr<ThreadTeam> team_;
  std::vector<std::unique_ptr<Executor>> executors_;
};

}  // namespace

std::unique_ptr<Program> make_executor(Graph lowered, Plan plan, Isa isa, ExecutorOptions options) {
  if (!options.team) options.team = std::make_shared<ThreadTeam>(1);
  const bool samples = std::any_of(plan.steps.begin(), plan.steps.end(),
                                   [](const Step& step) { return step.threads == Threads::samples; });
  if (samples && options.team->size() > 1)
    return std::make_unique<SampleExecutor>(std::move(lowered), plan, isa, options);
  return std::make_unique<Executor>(std::move(lowered), std::move(plan), isa, std::move(options),
                                    ThreadPart{});
}

}  // namespace relaxon
