// Steps that add messages up and compare the sums: signs, errors, scores, hits.
#include "core/error.hpp"
#include "core/fixed_point.hpp"
#include "runtime/executor/step.hpp"

namespace relaxon::executor {
namespace {

/// The fields that a step adds up, as the kernels want them.
class FieldSum {
 public:
  FieldSum(const Step& step, const Context& c) {
    for (const SlotId s : step.inputs) {
      const Storage storage = c.plan.slot(s).storage;
      if (storage == Storage::fields) by_lane_.push_back(s);
      if (by_sample(storage)) by_sample_.push_back(s);
      if (storage == Storage::field_rows) ++rows_;
      if (storage == Storage::partial_rows) rows_ += c.plan.threads;
    }
    pointers_.assign(static_cast<std::size_t>(c.team.size()),
                     std::vector<const void*>(by_lane_.size() + static_cast<std::size_t>(rows_)));
  }

  /// Calls run(messages) with the messages as T = int32 or int64.
  template <class Run>
  void visit(Context& c, ThreadPart part, Run run) {
    std::vector<const void*>& pointers = pointers_[static_cast<std::size_t>(part.index)];
    std::size_t i = 0;
    for (const SlotId s : by_lane_) pointers[i++] = c.place(s).data;
    for (const SlotId s : by_sample_) {
      const Place& place = c.place(s);
      for (int share = 0; share < place.shares; ++share) pointers[i++] = place.share(c.frame, share);
    }
    if (c.frame.wide) return run(messages<std::int64_t>(pointers));
    run(messages<std::int32_t>(pointers));
  }

 private:
  template <class T>
  Messages<T> messages(const std::vector<const void*>& pointers) const {
    const auto* first = reinterpret_cast<const T* const*>(pointers.data());
    const auto lane_count = static_cast<std::int64_t>(by_lane_.size());
    return {first, lane_count, first + lane_count, rows_};
  }

  std::vector<SlotId> by_lane_, by_sample_;
  std::int64_t rows_ = 0;                           // arrays of those by sample
  std::vector<std::vector<const void*>> pointers_;  // of each part
};

std::unique_ptr<Runnable> make_sum(const Step& step, const Context& context) {
  return shared_runnable(
      step, [m = FieldSum(step, context), out = step.outputs[0]](Context& c, ThreadPart part) mutable {
        const Place& to = c.place(out);
        m.visit(c, part, [&]<class T>(const Messages<T>& messages) {
          of_width<T>(c.kernels.sum32, c.kernels.sum64)(messages, units_of(to.units, part), c.frame.panels,
                                                        to.as<T>());
        });
      });
}

std::unique_ptr<Runnable> make_sign(const Step& step, const Context& context) {
  return shared_runnable(step, [m = FieldSum(step, context), state = SharedSigns(context.team.size()),
                                out = step.outputs[0]](Context& c, ThreadPart part) mutable {
    const Place& to = c.place(out);
    state.write(to, c.frame, part, [&](SignsOut signs) {
      m.visit(c, part, [&]<class T>(const Messages<T>& messages) {
        of_width<T>(c.kernels.sum_sign32, c.kernels.sum_sign64)(messages, units_of(to.units, part),
                                                                c.frame.batch, signs);
      });
    });
  });
}

class Margin final : public SharedStep {
 public:
  Margin(const Step& step, const Context& c)
      : SharedStep(step),
        messages_(step, c),
        target_(margin_target(c.plan, step)),
        margin_(step.inputs.back()),
        out_(step.outputs[0]),
        prepared_(static_cast<std::size_t>(c.team.size())) {}

  void run(Context& c, ThreadPart part) override {
    const Frame& f = c.frame;
    const Place& t = c.place(target_);
    const SignsOut v = c.place(out_).signs(f);
    const Units units = units_of(t.units, part);
    Prepared& own = prepared_[static_cast<std::size_t>(part.index)];
    if (own.run != f.run) prepare(c, own);
    messages_.visit(c, part, [&]<class T>(const Messages<T>& messages) {
      if (t.slot->storage == Storage::signs) {
        return of_width<T>(c.kernels.sum_error32, c.kernels.sum_error64)(
            messages, t.signs_in(f), own.fixed.data(), units, f.panels, v);
      }
      of_width<T>(c.kernels.sum_pair_error32, c.kernels.sum_pair_error64)(
          messages, t.signs_in(f), t.slot->type.a, t.slot->type.b,
          c.place(margin_).tensor->template data<float>().data(), c.plan.fixed_bits, units, f.panels, v);
    });
  }

 private:
  /// Thresholds as integers: margins are bindings, the same for a whole run. Each part has its own.
  struct Prepared {
    std::vector<std::int64_t> fixed;
    std::uint64_t run = 0;
  };
  void prepare(Context& c, Prepared& own) {
    own.run = c.frame.run;
    own.fixed.clear();
    for (const float m : c.place(margin_).tensor->data<float>())
      own.fixed.push_back(threshold_to_fixed(m, c.plan.fixed_bits));
  }

  FieldSum messages_;
  SlotId target_, margin_, out_;
  std::vector<Prepared> prepared_;
};

std::unique_ptr<Runnable> make_to_reals(const Step& step) {
  return runnable([in = step.inputs[0], out = step.outputs[0]](Context& c) {
    const Place& from = c.place(in);
    float* to = c.place(out).as<float>();
    const auto convert = [&](const auto* h) {
      if (from.slot->storage == Storage::fields) {
        const std::int64_t n = c.frame.panels * from.units * lanes;
        for (std::int64_t i = 0; i < n; ++i) to[i] = from_fixed(h[i], c.plan.fixed_bits);
        return;
      }
      for (std::int64_t b = 0; b < c.frame.batch; ++b) {
        for (std::int64_t k = 0; k < from.units; ++k) {
          to[(b / lanes * from.units + k) * lanes + b % lanes] =
              from_fixed(h[b * row_stride(from.units) + k], c.plan.fixed_bits);
        }
      }
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
    case Kernel::sum: return make_sum(step, context);
    case Kernel::sign: return make_sign(step, context);
    case Kernel::margin: return std::make_unique<Margin>(step, context);
    case Kernel::to_reals: return make_to_reals(step);
    case Kernel::hits: return make_hits(step);
    default: return nullptr;
  }
}

}  // namespace relaxon::executor
