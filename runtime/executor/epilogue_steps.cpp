// Steps that add messages up and compare the sums: signs, errors, scores, hits.
#include "core/error.hpp"
#include "core/fixed_point.hpp"
#include "runtime/executor/step.hpp"

namespace relaxon::executor {
namespace {

std::vector<SlotId> messages_of(const Step& step, const Plan& plan) {
  std::vector<SlotId> messages;
  for (const SlotId s : step.inputs) {
    if (plan.slot(s).storage == Storage::fields) messages.push_back(s);
  }
  return messages;
}

/// Pointers to messages, as the kernels want them.
class Messages {
 public:
  Messages(const Step& step, const Plan& plan)
      : slots_(messages_of(step, plan)), narrow_(slots_.size()), wide_(slots_.size()) {}

  const std::int32_t* const* narrow(Context& c) {
    for (std::size_t i = 0; i < slots_.size(); ++i) narrow_[i] = c.place(slots_[i]).as<const std::int32_t>();
    return narrow_.data();
  }
  const std::int64_t* const* wide(Context& c) {
    for (std::size_t i = 0; i < slots_.size(); ++i) wide_[i] = c.place(slots_[i]).as<const std::int64_t>();
    return wide_.data();
  }
  std::int64_t count() const { return static_cast<std::int64_t>(slots_.size()); }

 private:
  std::vector<SlotId> slots_;
  std::vector<const std::int32_t*> narrow_;
  std::vector<const std::int64_t*> wide_;
};

std::unique_ptr<Runnable> make_sum(const Step& step, const Plan& plan) {
  return runnable([m = Messages(step, plan), out = step.outputs[0]](Context& c) mutable {
    const Place& to = c.place(out);
    const std::int64_t n = c.frame.panels * to.units * lanes;
    if (c.frame.wide) return c.kernels.sum64(m.wide(c), m.count(), n, to.as<std::int64_t>());
    c.kernels.sum32(m.narrow(c), m.count(), n, to.as<std::int32_t>());
  });
}

std::unique_ptr<Runnable> make_sign(const Step& step, const Plan& plan) {
  return runnable([m = Messages(step, plan), out = step.outputs[0]](Context& c) mutable {
    const Frame& f = c.frame;
    const Place& to = c.place(out);
    if (f.wide) return c.kernels.sum_sign64(m.wide(c), m.count(), to.units, f.batch, to.signs(f), nullptr);
    c.kernels.sum_sign32(m.narrow(c), m.count(), to.units, f.batch, to.signs(f), nullptr);
  });
}

class Margin final : public Runnable {
 public:
  /// Inputs: fused, the messages, then target and margin; alone, target, field, margin.
  Margin(const Step& step, const Plan& plan)
      : messages_(step, plan), margin_(step.inputs.back()), out_(step.outputs[0]) {
    const bool fused = plan.slot(step.inputs.front()).storage == Storage::fields;
    target_ = fused ? step.inputs[step.inputs.size() - 2] : step.inputs.front();
  }

  void run(Context& c) override {
    const Frame& f = c.frame;
    const Place& t = c.place(target_);
    const SignsOut v = c.place(out_).signs(f);
    const std::int64_t n = messages_.count();
    if (run_ != f.run) prepare(c);
    if (t.slot->storage == Storage::signs) {
      if (f.wide)
        return c.kernels.sum_error64(messages_.wide(c), n, t.signs_in(f), fixed_.data(), t.units, f.panels,
                                     v);
      return c.kernels.sum_error32(messages_.narrow(c), n, t.signs_in(f), fixed_.data(), t.units, f.panels,
                                   v);
    }
    const float a = t.slot->type.a, b = t.slot->type.b;
    const float* margin = c.place(margin_).tensor->data<float>().data();
    if (f.wide)
      return c.kernels.sum_pair_error64(messages_.wide(c), n, t.signs_in(f), a, b, margin, c.plan.fixed_bits,
                                        t.units, f.panels, v);
    c.kernels.sum_pair_error32(messages_.narrow(c), n, t.signs_in(f), a, b, margin, c.plan.fixed_bits,
                               t.units, f.panels, v);
  }

 private:
  /// Thresholds as integers: margins are bindings, the same for a whole run.
  void prepare(Context& c) {
    run_ = c.frame.run;
    fixed_.clear();
    for (const float m : c.place(margin_).tensor->data<float>())
      fixed_.push_back(threshold_to_fixed(m, c.plan.fixed_bits));
  }

  Messages messages_;
  SlotId target_, margin_, out_;
  std::vector<std::int64_t> fixed_;
  std::uint64_t run_ = 0;
};

std::unique_ptr<Runnable> make_to_reals(const Step& step) {
  return runnable([in = step.inputs[0], out = step.outputs[0]](Context& c) {
    const Place& from = c.place(in);
    float* to = c.place(out).as<float>();
    const std::int64_t n = c.frame.panels * from.units * lanes;
    const auto convert = [&](const auto* h) {
      for (std::int64_t i = 0; i < n; ++i) to[i] = from_fixed(h[i], c.plan.fixed_bits);
    };
    if (c.frame.wide) return convert(from.as<std::int64_t>());
    convert(from.as<std::int32_t>());
  });
}

std::unique_ptr<Runnable> make_hits(const Step& step) {
  return runnable([in = step.inputs, out = step.outputs[0]](Context& c) {
    std::int64_t count = c.place(in[0]).tensor->data<std::int64_t>()[0];
    const Place& scores = c.place(in[1]);
    const auto classes = c.place(in[2]).tensor->data<std::int32_t>();
    for (std::int64_t b = 0; b < c.frame.batch; ++b) {
      const float* lane = scores.as<float>() + b / lanes * scores.units * lanes + b % lanes;
      std::int64_t best = 0;
      for (std::int64_t k = 1; k < scores.units; ++k) {
        if (lane[k * lanes] > lane[best * lanes]) best = k;
      }
      if (best == classes[static_cast<std::size_t>(b)]) ++count;
    }
    c.place(out).own_tensor(DType::i64, {}).data<std::int64_t>()[0] = count;
  });
}

}  // namespace

std::unique_ptr<Runnable> make_epilogue_step(const Step& step, Context& context) {
  switch (step.kernel) {
    case Kernel::sum: return make_sum(step, context.plan);
    case Kernel::sign: return make_sign(step, context.plan);
    case Kernel::margin: return std::make_unique<Margin>(step, context.plan);
    case Kernel::to_reals: return make_to_reals(step);
    case Kernel::hits: return make_hits(step);
    default: return nullptr;
  }
}

}  // namespace relaxon::executor
