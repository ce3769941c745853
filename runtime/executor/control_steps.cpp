// Steps that run other steps.
#include <cstring>

#include "core/error.hpp"
#include "ir/op_info.hpp"
#include "runtime/executor/step.hpp"

namespace relaxon::executor {
namespace {

/// scan and for: carries start in their slots, the body runs, what it yields becomes the carries.
class Loop final : public Runnable {
 public:
  Loop(const Step& step, Context& context)
      : kernel_(step.kernel),
        count_(step.inputs[0]),
        starts_(step.inputs.begin() + 1, step.inputs.end()),
        carries_(step.outputs),
        yielded_(step.yielded),
        body_(make_runnables(step.body, context)) {
    if (kernel_ == Kernel::loop) index_ = step.arguments[0];
    if (const auto* scan = std::get_if<ScanAttributes>(&step.attributes)) watched_ = scan->until_unchanged;
  }

  void run(Context& c) override {
    const std::int32_t n = c.place(count_).tensor->data<std::int32_t>()[0];
    if (n < 0)
      fail("{}: {} iterations; expected at least 0",
           info(kernel_ == Kernel::loop ? OpKind::loop : OpKind::scan).name, n);
    for (std::size_t i = 0; i < carries_.size(); ++i) write(c, starts_[i], carries_[i]);
    c.frame.loops.push_back(0);
    for (std::int32_t i = 0; i < n; ++i) {
      c.frame.loops.back() = i;
      if (kernel_ == Kernel::loop) {
        c.place(index_).own_tensor(DType::i32, {}).data<std::int32_t>()[0] = i;
        c.frame.wide = !c.guard.fits_int32(c.memory);
      }
      for (const auto& step : body_) step->run(c);
      const bool stop = !watched_.empty() && unchanged(c);
      for (std::size_t k = 0; k < carries_.size(); ++k) write(c, yielded_[k], carries_[k]);
      if (stop) break;
    }
    c.frame.loops.pop_back();
  }

 private:
  void write(Context& c, SlotId from, SlotId to) {
    if (from == to) return;
    Place& target = c.place(to);
    Place& source = c.place(from);
    if (target.slot->storage == Storage::tensor) {
      Tensor& tensor = target.own_tensor(source.tensor->dtype(), source.tensor->shape());
      std::memcpy(tensor.raw(), source.tensor->raw(), source.tensor->bytes());
      return;
    }
    std::memcpy(target.data, source.data, target.bytes(c.frame));
    if (target.slot->storage == Storage::dense || target.slot->storage == Storage::columns)
      c.guard.weight_loaded(to);
  }

  bool unchanged(Context& c) {
    for (const std::int32_t k : watched_) {
      const Place& before = c.place(carries_[static_cast<std::size_t>(k)]);
      const Place& after = c.place(yielded_[static_cast<std::size_t>(k)]);
      if (before.data == after.data || before.slot->storage == Storage::tensor) return false;
      if (std::memcmp(before.data, after.data, before.bytes(c.frame)) != 0) return false;
    }
    return true;
  }

  Kernel kernel_;
  SlotId count_, index_;
  std::vector<SlotId> starts_, carries_, yielded_;
  std::vector<std::int32_t> watched_;
  Runnables body_;
};

std::unique_ptr<Runnable> make_probe(const Step& step) {
  return runnable(
      [name = std::get<NamesAttributes>(step.attributes).names[0], in = step.inputs[0]](Context& c) {
        if (*c.probes) (*c.probes)(name, c.frame.loops, to_tensor(c.place(in), c.frame));
      });
}

}  // namespace

std::unique_ptr<Runnable> make_control_step(const Step& step, Context& context) {
  switch (step.kernel) {
    case Kernel::scan:
    case Kernel::loop: return std::make_unique<Loop>(step, context);
    case Kernel::probe: return make_probe(step);
    default: return nullptr;
  }
}

std::unique_ptr<Runnable> make_runnable(const Step& step, Context& context) {
  for (const auto make : {make_data_step, make_message_step, make_epilogue_step, make_update_step,
                          make_control_step, make_reference_step}) {
    if (auto made = make(step, context)) return make_generated_step(step, context, std::move(made));
  }
  internal_error("no step for kernel {}", name_in(kernel_names, step.kernel));
}

Runnables make_runnables(const std::vector<Step>& steps, Context& context) {
  Runnables made;
  for (const Step& step : steps) made.push_back(make_runnable(step, context));
  return made;
}

}  // namespace relaxon::executor
