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
  Executor(Graph lowered, Plan plan, Isa isa, jit::Compiled generated)
      : Program(std::move(lowered)),
        generated_(std::move(generated)),
        plan_(std::move(plan)),
        memory_(plan_),
        guard_(plan_),
        context_{plan_, memory_, guard_, kernels(isa), isa, generated_.code.get(), {}, nullptr},
        steps_(executor::make_runnables(plan_.steps, context_)) {
    for (const Step& step : plan_.steps) writes_fields_.push_back(holds_fields(step));
  }

  std::vector<TensorPtr> run(const Arguments& arguments, const ProbeSink& probes) override {
    const FlushToZero mode;
    const Symbols symbols = check_arguments(graph(), arguments);
    const std::int64_t batch = symbols['B'] > 0 ? symbols['B'] : largest_slice(arguments);
    memory_.prepare(std::max<std::int64_t>(batch, 1), arguments.patterns);
    bind(arguments);
    context_.frame.set_batch(batch);
    context_.frame.loops.clear();
    ++context_.frame.run;
    context_.probes = &probes;
    guard_.start_run();
    bool decided = false;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (!decided && writes_fields_[i]) {
        context_.frame.wide = !guard_.fits_int32(memory_);
        decided = true;
      }
      steps_[i]->run(context_);
    }
    std::vector<TensorPtr> results;
    for (const Plan::Port& result : plan_.results) {
      // The slot keeps its tensor to itself: the caller's stays as it is when the plan runs again.
      results.push_back(std::make_shared<const Tensor>(*memory_[result.slot].tensor));
    }
    release_bindings();
    return results;
  }

 const jit::CodeReport* code_report() const override {
    return generated_.code ? &generated_.report : nullptr;
  }

 private:
  bool holds_fields(const Step& step) const {
    const auto is_field = [&](SlotId s) { return plan_.slot(s).storage == Storage::fields; };
    return std::any_of(step.outputs.begin(), step.outputs.end(), is_field) ||
           (step.kernel == Kernel::scan &&
            std::any_of(step.body.begin(), step.body.end(), [&](const Step& s) { return holds_fields(s); }));
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
  Memory memory_;
  executor::BoundGuard guard_;
  Context context_;
  executor::Runnables steps_;
  std::vector<bool> writes_fields_;
  std::map<SlotId, TensorPtr> watched_;
};

}  // namespace

std::unique_ptr<Program> make_executor(Graph lowered, Plan plan, Isa isa, jit::Compiled generated) {
  return std::make_unique<Executor>(std::move(lowered), std::move(plan), isa, std::move(generated));
}

}  // namespace relaxon
