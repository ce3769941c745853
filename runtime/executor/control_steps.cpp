// Steps that run other steps.
#include <chrono>
#include <cstring>

#include "core/error.hpp"
#include "ir/op_info.hpp"
#include "runtime/executor/pace.hpp"
#include "runtime/executor/step.hpp"

namespace relaxon::executor {
namespace {

/// scan and for: carries start in their slots, the body runs, what it yields becomes the carries.
class Loop final : public Runnable {
 public:
  Loop(const Step& step, Context& context)
      : kernel_(step.kernel),
        shared_(step.threads == Threads::samples),
        count_(step.inputs[0]),
        starts_(step.inputs.begin() + 1, step.inputs.end()),
        carries_(step.outputs),
        yielded_(step.yielded),
        loop_accesses_(accesses_of_loop(context.plan, step)),
        body_(make_runnables(step.body, context)) {
    if (kernel_ == Kernel::loop) index_ = step.arguments[0];
    if (kernel_ == Kernel::scan && context.statistics) {
      phase_ = context.statistics->phases.size();
      context.statistics->phases.push_back({context.plan.slot(count_).name, 0, {}});
    }
    if (const auto* scan = std::get_if<ScanAttributes>(&step.attributes)) watched_ = scan->until_unchanged;
    moved_.assign(static_cast<std::size_t>(2 * context.team.size()), 0);
  }

  Sharing sharing() const override { return Sharing::team; }

  void run(Context& c, ThreadPart part) override {
    const std::int32_t n = c.place(count_).tensor->data<std::int32_t>()[0];
    const ThreadPart samples = shared_ ? c.samples : ThreadPart{};
    const std::int32_t begin = share(n, samples.index, samples.count);
    const std::int32_t end = share(n, samples.index + 1, samples.count);
    if (part.first()) start(c, n);
    if (kernel_ == Kernel::loop && part.count > 1 && c.team.only_if_faster()) {
      iterate_as_pays(c, part, begin, end);
    } else {
      iterate(c, part, begin, end);
    }
    if (part.first()) c.frame.loops.pop_back();
  }

  void arrange(Barriers& barriers) override {
    const LoopAccesses& own = loop_accesses_;
    waits = barriers.next(own.start);
    const Barriers before = barriers;
    Barriers again = barriers;
    // An iteration follows the start or another one, of which the first walk tells how it ends.
    for (int walk = 0; walk < 2; ++walk) {
      barriers = again;
      for (const auto& step : body_) step->arrange(barriers);
      looks_wait_ = barriers.next(own.look);
      barriers.met();
      barriers.add(own.carry);
      Barriers next = barriers;
      begin_waits_ = next.next(own.begin);
      again.add(next);
    }
    barriers.add(before);  // no iteration
  }

 private:
  static std::int32_t share(std::int32_t n, int index, int count) {
    return static_cast<std::int32_t>(std::int64_t{n} * index / count);
  }

  void iterate(Context& c, ThreadPart part, std::int32_t begin, std::int32_t end) {
    for (std::int32_t i = begin; i < end; ++i) {
      if (part.count > 1 && i > begin && begin_waits_) c.barrier(part);
      if (part.first()) begin_iteration(c, i);
      run_steps(body_, c, part);
      if (part.count > 1 && looks_wait_) c.barrier(part);
      const std::size_t parity = static_cast<std::size_t>(i % 2);
      if (!watched_.empty()) moved_[2 * static_cast<std::size_t>(part.index) + parity] = changed(c, part);
      if (part.count > 1) c.barrier(part);
      carry(c, part);
      if (!watched_.empty() && !moved(part.count, parity)) break;
    }
  }

  /// The first thread takes the time and says how it goes on.
  void iterate_as_pays(Context& c, ThreadPart part, std::int32_t begin, std::int32_t end) {
    if (part.first() && begin < end) stretch_[0] = pace_.next(end - begin);
    c.barrier(part);
    for (std::int32_t k = 0; begin < end; ++k) {
      const Pace::Stretch stretch = stretch_[k % 2];
      const std::int32_t stop = begin + stretch.iterations;
      const auto time = std::chrono::steady_clock::now();
      if (!stretch.alone) iterate(c, part, begin, stop);
      if (stretch.alone && part.first()) iterate(c, {}, begin, stop);
      begin = stop;
      if (part.first()) {
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - time;
        pace_.took(stretch, taken.count());
        if (begin < end) stretch_[(k + 1) % 2] = pace_.next(end - begin);
      }
      c.barrier(part);
    }
  }

  void start(Context& c, std::int32_t n) {
    if (n < 0)
      fail("{}: {} iterations; expected at least 0",
           info(kernel_ == Kernel::loop ? OpKind::loop : OpKind::scan).name, n);
    for (std::size_t i = 0; i < carries_.size(); ++i) {
      write(c, starts_[i], carries_[i], {});
      // Shares are added up: only the first counts what the loop starts from.
      if (shared_ && !c.samples.first()) {
        Place& carry = c.place(carries_[i]);
        Tensor& zeros = carry.own_tensor(carry.tensor->dtype(), carry.tensor->shape());
        std::memset(zeros.raw(), 0, zeros.bytes());
      }
    }
    c.frame.loops.push_back(0);
    if (c.statistics && kernel_ == Kernel::scan) ++c.statistics->phases[phase_].batches;
  }

  void begin_iteration(Context& c, std::int32_t i) {
    c.frame.loops.back() = i;
    if (kernel_ != Kernel::loop) return;
    c.place(index_).own_tensor(DType::i32, {}).data<std::int32_t>()[0] = i;
    const std::int64_t checks = c.guard.checks();
    c.frame.wide = !c.guard.fits_int32(c.memory);
    if (!c.statistics) return;
    ++c.statistics->batches;
    c.statistics->bound_checks += c.guard.checks() - checks;
    c.statistics->wide_batches += c.frame.wide;
  }

  /// Carries what the iteration leaves, each thread its own part, which is in its cache.
  void carry(Context& c, ThreadPart part) {
    if (c.statistics && kernel_ == Kernel::scan && part.first()) count(c);
    if (c.statistics && part.count > 1) c.barrier(part);
    for (std::size_t k = 0; k < carries_.size(); ++k) write(c, yielded_[k], carries_[k], part);
  }

  /// Whether any of so many threads has seen something move. Flags of the other parity may be the next
  /// iteration's already.
  bool moved(int threads, std::size_t parity) const {
    for (int i = 0; i < threads; ++i) {
      if (moved_[2 * static_cast<std::size_t>(i) + parity] != 0) return true;
    }
    return false;
  }

  void write(Context& c, SlotId from, SlotId to, ThreadPart part) {
    if (from == to) return;
    Place& target = c.place(to);
    const Place& source = c.place(from);
    if (target.slot->storage == Storage::tensor) {
      if (!part.first()) return;
      Tensor& tensor = target.own_tensor(source.tensor->dtype(), source.tensor->shape());
      std::memcpy(tensor.raw(), source.tensor->raw(), source.tensor->bytes());
      return;
    }
    for_each_stretch(target, c.frame, part, [&](std::size_t at, std::size_t bytes) {
      if (target.is_planes() && part.count > 1)
        return copy_changes(target.data + at, source.data + at, bytes);
      std::memcpy(target.data + at, source.data + at, bytes);
    });
    const bool weight = target.slot->storage == Storage::dense || target.slot->storage == Storage::columns;
    if (weight && part.first()) c.weight_loaded(to);
  }

  /// What the iteration has changed in states of {-1, 0, 1}.
  void count(Context& c) {
    auto& iterations = c.statistics->phases[phase_].by_iteration;
    const auto at = static_cast<std::size_t>(c.frame.loops.back());
    if (iterations.size() <= at) iterations.resize(at + 1);
    std::vector<Mask> moving(static_cast<std::size_t>(c.frame.panels));
    for (std::size_t k = 0; k < carries_.size(); ++k) {
      const Place& before = c.place(carries_[k]);
      const Place& after = c.place(yielded_[k]);
      if (before.slot->storage != Storage::signs || before.data == after.data) continue;
      const SignsIn a = before.signs_in(c.frame), b = after.signs_in(c.frame);
      iterations[at].values += c.frame.batch * before.units;
      iterations[at].flips += c.kernels.count_changes(a, b, c.frame.panels * before.units).samples;
      for (std::int64_t i = 0; i < c.frame.panels * before.units; ++i) {
        Mask& own = moving[static_cast<std::size_t>(i / before.units)];
        own = static_cast<Mask>(own | (a.plus[i] ^ b.plus[i]) | (a.minus[i] ^ b.minus[i]));
      }
    }
    iterations[at].samples += c.frame.batch;
    for (const Mask m : moving) iterations[at].moving += __builtin_popcount(m);
  }

  /// Whether a part of what the loop watches has moved.
  bool changed(const Context& c, ThreadPart part) const {
    bool any = false;
    for (const std::int32_t k : watched_) {
      const Place& before = c.place(carries_[static_cast<std::size_t>(k)]);
      const Place& after = c.place(yielded_[static_cast<std::size_t>(k)]);
      if (before.data == after.data || before.slot->storage == Storage::tensor) return true;
      for_each_stretch(before, c.frame, part, [&](std::size_t at, std::size_t bytes) {
        any = any || std::memcmp(before.data + at, after.data + at, bytes) != 0;
      });
    }
    return any;
  }

  Kernel kernel_;
  bool shared_;
  std::size_t phase_ = 0;    // in the statistics
  std::vector<char> moved_;  // of each thread, in even and odd iterations
  Pace pace_;
  Pace::Stretch stretch_[2];  // of even and odd stretches
  SlotId count_, index_;
  std::vector<SlotId> starts_, carries_, yielded_;
  std::vector<std::int32_t> watched_;
  LoopAccesses loop_accesses_;
  bool begin_waits_ = false;  // at a barrier before an iteration that follows another
  bool looks_wait_ = false;   // and before it is seen what moved
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

namespace {

/// Adds how long it lives to the times of a step on the first thread, if anybody wants them.
class StepTimer {
 public:
  StepTimer(const Runnable& step, Context& c, ThreadPart part) {
    if (!c.times || !part.first() || step.position < 0) return;
    time_ = &c.times->at(static_cast<std::size_t>(step.position));
    start_ = Clock::now();
  }
  ~StepTimer() {
    if (!time_) return;
    time_->seconds += std::chrono::duration<double>(Clock::now() - start_).count();
    ++time_->runs;
  }
  StepTimer(const StepTimer&) = delete;
  StepTimer& operator=(const StepTimer&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  Profile::StepTime* time_ = nullptr;
  Clock::time_point start_;
};

void run_alone(Runnable& step, Context& c, ThreadPart part) {
  const StepTimer timer(step, c, part);
  step.run(c, part);
  if (step.finishes()) step.finish(c);
}

}  // namespace

void Context::barrier(ThreadPart part) {
  team.barrier(part);
  if (part.first() && !unfinished.empty()) {
    for (Runnable* step : unfinished) {
      if (step->finishes()) step->finish(*this);
    }
    unfinished.clear();
  }
  // What is counted is looked at whole, so nobody may go on meanwhile.
  if (statistics) team.barrier(part);
}

void Runnable::arrange(Barriers& barriers) {
  waits = barriers.next(accesses, sharing() == Sharing::parts ? parts_slot(position) : SlotId{});
  if (sharing() == Sharing::team) barriers.met();
}

void run_steps(const Runnables& steps, Context& c, ThreadPart part) {
  for (const auto& step : steps) {
    if (part.count == 1) {
      run_alone(*step, c, part);
      continue;
    }
    const Sharing sharing = step->sharing();
    if (sharing == Sharing::first) {
      if (step->waits) c.barrier(part);
      if (part.first()) run_alone(*step, c, {});
      continue;
    }
    const StepTimer timer(*step, c, part);
    if (step->waits) c.barrier(part);
    step->run(c, part);
    if (sharing == Sharing::parts && part.first()) c.unfinished.push_back(step.get());
  }
}

Runnables make_runnables(const std::vector<Step>& steps, Context& context) {
  Runnables made;
  for (const Step& step : steps) {
    const std::int32_t position = context.steps_made++;  // before those of its body
    made.push_back(make_runnable(step, context));
    made.back()->position = position;
    made.back()->accesses = accesses_of(context.plan, step, position);
  }
  return made;
}

}  // namespace relaxon::executor
