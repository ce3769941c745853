// Any op, by the interpreter: for values that are made once, and ops without a kernel.
#include "core/error.hpp"
#include "ir/builder.hpp"
#include "ir/op_info.hpp"
#include "runtime/executor/step.hpp"
#include "runtime/interpreter/interpreter.hpp"

namespace relaxon::executor {
namespace {

/// A graph of one op.
Graph graph_of(const Step& step, const Plan& plan) {
  GraphBuilder b(plan.name, plan.fixed_bits);
  for (const PatternDeclaration& p : plan.patterns) b.pattern(p);
  std::vector<ValueId> operands;
  for (std::size_t i = 0; i < step.inputs.size(); ++i) {
    const Slot& slot = plan.slot(step.inputs[i]);
    operands.push_back(b.input(fmt::format("{}", i), slot.type));
    b.name(operands.back(), slot.name);
  }
  const std::vector<ValueId> results = b.append(step.op, operands, step.attributes);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < results.size(); ++i) names.push_back(fmt::format("{}", i));
  return b.finish(results, names);
}

class Reference final : public Runnable {
 public:
  Reference(const Step& step, const Plan& plan)
      : program_(make_interpreter(graph_of(step, plan))), inputs_(step.inputs), outputs_(step.outputs) {}

  void run(Context& c, ThreadPart) override {
    Arguments arguments;
    arguments.patterns = c.memory.patterns();
    for (const SlotId in : inputs_) {
      const Place& place = c.place(in);
      const bool tensor = place.slot->storage == Storage::tensor;
      arguments.bindings.push_back(tensor ? place.tensor
                                          : std::make_shared<const Tensor>(to_tensor(place, c.frame)));
    }
    const std::vector<TensorPtr> results = program_->run(arguments);
    for (std::size_t i = 0; i < results.size(); ++i) {
      Place& place = c.place(outputs_[i]);
      if (place.slot->storage == Storage::tensor) {
        place.tensor = results[i];
        continue;
      }
      from_tensor(place, *results[i], c.frame);
      c.weight_loaded(outputs_[i]);
    }
  }

 private:
  std::unique_ptr<Program> program_;
  std::vector<SlotId> inputs_, outputs_;
};

}  // namespace

std::unique_ptr<Runnable> make_reference_step(const Step& step, Context& context) {
  return std::make_unique<Reference>(step, context.plan);
}

}  // namespace relaxon::executor
