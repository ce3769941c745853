// Steps that learn: correlations and optimizer steps.
#include <cmath>

#include "core/error.hpp"
#include "passes/plan/kept_weights.hpp"
#include "runtime/executor/joined_phases.hpp"
#include "runtime/executor/scratch.hpp"
#include "runtime/executor/step.hpp"
#include "runtime/kernel_kinds.hpp"
#include "runtime/weight_errors.hpp"

namespace relaxon::executor {
namespace {

Sender sender_of(const Place& u, const Frame& f) {
  const Type& type = u.slot->type;
  const Sender::Kind kind = sender_kind(u.slot->storage);
  switch (kind) {
    case Sender::Kind::signs: return {kind, u.signs_in(f), nullptr, nullptr, 0, 0};
    case Sender::Kind::pair: return {kind, u.signs_in(f), nullptr, nullptr, type.a, type.b};
    case Sender::Kind::bytes: return {kind, {}, u.as<std::uint8_t>(), nullptr, 0, 0};
    case Sender::Kind::real: return {kind, {}, nullptr, u.as<float>(), 0, 0};
  }
  internal_error("unknown kind of sender {}", static_cast<int>(kind));
}

Errors errors_of(const Place& v, const Frame& f) {
  const Type& type = v.slot->type;
  const Errors::Kind kind = error_kind(v.slot->storage);
  switch (kind) {
    case Errors::Kind::signs: return {kind, v.signs_in(f), nullptr, 0, 0};
    case Errors::Kind::pair: return {kind, v.signs_in(f), nullptr, type.a, type.b};
    case Errors::Kind::real: return {kind, {}, v.as<float>(), 0, 0};
  }
  internal_error("unknown kind of errors {}", static_cast<int>(kind));
}

/// Entries that never change: the diagonal of a recurrent weight.
bool fixed_diagonal(const Place& weight) {
  const Entries& entries = weight.slot->type.entries;
  return entries.kind == Entries::Kind::offdiag || (weight.index && !weight.index->diagonal.empty());
}

/// Names the first entry, by sender, that is no finite number.
[[noreturn]] void fail_not_finite(const Place& weight, const float* m, const float* v,
                                  const std::optional<EdgeId>& edge) {
  const auto check = [&](std::int64_t j, std::int64_t k, std::int64_t at) {
    const float w = weight.as<float>()[at];
    const float first = m ? m[at] : 0.0f, second = v ? v[at] : 0.0f;
    if (!std::isfinite(w) || !std::isfinite(first) || !std::isfinite(second))
      fail_update(weight_entry(edge, j, k), w, first, second);
  };
  for (std::int64_t j = 0; j < weight.senders; ++j) {
    if (!weight.index) {
      for (std::int64_t k = 0; k < weight.receivers; ++k) check(j, k, j * weight.stride + k);
      continue;
    }
    for (auto e = static_cast<std::size_t>(weight.index->row_offsets[static_cast<std::size_t>(j)]);
         e < static_cast<std::size_t>(weight.index->row_offsets[static_cast<std::size_t>(j) + 1]); ++e) {
      check(j, weight.index->receiver[e], weight.index->entry[e]);
    }
  }
  internal_error("an update reported a number that isn't finite, but every one is");
}

/// Weight and moments of an update or apply step.
struct Optimized {
  std::vector<SlotId> slots;  // weight, moments
  ApplyAttributes attributes;
  SlotId q;  // if it writes that, too

  float* moment(Context& c, std::size_t i) const {
    return i + 1 < slots.size() ? c.place(slots[i + 1]).as<float>() : nullptr;
  }
  FixedCopy fixed_copy(Context& c) const {
    if (q.index < 0) return {};
    return {c.place(q).as<std::int32_t>(), c.plan.fixed_bits};
  }
  void report(Context& c, const UpdateReport& r) const {
    if (!r.finite) fail_not_finite(c.place(slots[0]), moment(c, 0), moment(c, 1), attributes.edge);
    c.guard.weight_changed(slots[0], r.growth);
    Place& weight = c.place(slots[0]);
    ++weight.version;
    // What it didn't write is right if all was.
    if (q.index >= 0 && r.fits && c.place(q).version + 1 == weight.version)
      c.place(q).version = weight.version;
  }
};

Optimized optimized(const Step& step) {
  const auto& attributes = std::get<ApplyAttributes>(step.attributes);
  const auto n = static_cast<std::ptrdiff_t>(moments_of(attributes.rule)) + 1;
  return {{step.inputs.begin(), step.inputs.begin() + n}, attributes, kept_by(step)};
}

/// Receivers of a sparse weight, senders of a dense one: what lies together, and what the same thread reads
/// in messages.
SparseWeight<float> share(SparseWeight<float> weight, ThreadPart part) { return part_of(weight, part); }
DenseWeight<float> share(DenseWeight<float> weight, ThreadPart part) {
  return rows_of(weight, senders_of(weight.senders, part));
}

template <class Weight>
UpdateArguments<Weight> arguments(const CorrelationSides& sides, std::int64_t panels, Weight weight,
                                  const Place& place, ThreadPart part) {
  UpdateArguments<Weight> a{};
  a.u = sides.u;
  a.v = sides.v;
  a.panels = panels;
  a.weight = share(weight, part);
  a.fixed_diagonal = fixed_diagonal(place);
  if (place.index) a.fixed = place.index->diagonal;
  return a;
}

/// To be called when all other arguments are there.
template <class Weight>
void lend_scratch(UpdateArguments<Weight>& a, const Place& place, Scratch& own) {
  if (place.index && !a.segments) return;
  const std::int64_t each =
      a.segments ? update_scratch(*a.segments) : update_scratch(a.u.kind, a.v.kind, a.panels, place.stride);
  a.scratch = own.room_for<float>(a.less ? 2 * each : each);
}

class Update final : public SharedStep {
 public:
  Update(const Step& step, Context& c)
      : SharedStep(step),
        optimized_(optimized(step)),
        correlations_(correlations_of(step)),
        scalars_(step.inputs.back()),
        own_(static_cast<std::size_t>(c.team.size())),
        reports_(static_cast<std::size_t>(c.team.size()), UpdateReport{0, true}) {
    if (!c.statistics) return;
    statistics_ = c.statistics->updates.size();
    c.statistics->updates.push_back(
        {optimized_.attributes.edge ? to_string(*optimized_.attributes.edge) : "", 0, 0});
  }

  void run(Context& c, ThreadPart part) override {
    const Place& weight = c.place(optimized_.slots[0]);
    if (weight.index) return run(c, part, c.kernels.update_sparse, weight.columns());
    run(c, part, c.kernels.update_dense, weight.dense());
  }

  bool finishes() const override { return true; }
  void finish(Context& c) override {
    if (c.statistics) count(c);
    UpdateReport all{0, true};
    for (UpdateReport& r : reports_) {
      all = {std::max(all.growth, r.growth), all.finite && r.finite, all.fits && r.fits};
      r = {0, true};  // the next step may have fewer parts
    }
    optimized_.report(c, all);
  }

 private:
  /// Of each part.
  struct Own {
    Scratch scratch;
    JoinedPhases joined;
  };

  template <class UpdateKernel, class Weight>
  void run(Context& c, ThreadPart part, UpdateKernel kernel, Weight w) {
    const Place& weight = c.place(optimized_.slots[0]);
    Own& own = own_[static_cast<std::size_t>(part.index)];
    CorrelationSides sides = sides_of(c, correlations_[0]), less{};
    const bool difference = correlations_.size() == 2;
    std::int64_t panels = c.frame.panels;
    bool joined = false;
    if (difference) {
      less = sides_of(c, correlations_[1]);
      joined = JoinedPhases::joins(sides.u.kind, sides.v.kind, c.frame.batch);
    }
    if (joined) {
      own.joined.join(sides, less, correlations_[0].u == correlations_[1].u, w.senders, w.receivers,
                      c.frame.batch);
      sides = own.joined.sides();
      panels = own.joined.panels();
    }
    auto a = arguments(sides, panels, w, weight, part);
    if (difference && !joined) a.less = &less;
    if (weight.index && a.u.kind == Sender::Kind::bytes) a.segments = segments(*weight.index);
    lend_scratch(a, weight, own.scratch);
    a.rule = rule_of(optimized_.attributes.rule);
    a.scalars = c.place(scalars_).tensor->data<float>().data();
    a.moments[0] = optimized_.moment(c, 0);
    a.moments[1] = optimized_.moment(c, 1);
    a.q = optimized_.fixed_copy(c);
    reports_[static_cast<std::size_t>(part.index)] = kernel(a);
  }

  /// Null where they don't pay.
  const SenderSegments* segments(const ColumnIndex& index) {
    const auto entries = static_cast<std::int64_t>(index.sender.size());
    if (!SenderSegments::pay(entries, index.senders, index.receivers)) return nullptr;
    return &segments_.of(index, [&] { return SenderSegments(index.offsets, index.sender, index.senders); });
  }

  /// Columns without an error.
  void count(Context& c) {
    UpdateStatistics& own = c.statistics->updates[statistics_];
    const std::int64_t columns = c.place(correlations_[0].v).units;
    own.columns += columns;
    for (std::int64_t k = 0; k < columns; ++k) {
      own.silent += std::none_of(correlations_.begin(), correlations_.end(),
                                 [&](Correlated s) { return errs(c.place(s.v), k, c.frame); });
    }
  }

  /// Whether column k errs.
  static bool errs(const Place& v, std::int64_t k, const Frame& frame) {
    bool any = false;
    for (std::int64_t p = 0; p < frame.panels; ++p) {
      const std::int64_t i = p * v.units + k;
      if (v.slot->storage == Storage::reals) {
        any |= std::any_of(v.as<float>() + i * lanes, v.as<float>() + (i + 1) * lanes,
                           [](float x) { return x != 0; });
      } else {
        const SignsIn planes = v.signs_in(frame);
        any |= (planes.plus[i] | planes.minus[i]) != 0;
      }
    }
    return any;
  }

  std::size_t statistics_ = 0;  // its place there
  Optimized optimized_;
  std::vector<Correlated> correlations_;
  SlotId scalars_;
  std::vector<Own> own_;
  OfPattern<SenderSegments> segments_;
  std::vector<UpdateReport> reports_;
};

std::unique_ptr<Runnable> make_correlate(const Step& step) {
  return runnable([in = Correlated{step.inputs[0], step.inputs[1]}, out = step.outputs[0],
                   scratch = Scratch()](Context& c) mutable {
    const Place& s = c.place(out);
    const auto correlate = [&](auto kernel, auto weight) {
      auto a = arguments(sides_of(c, in), c.frame.panels, weight, s, {});
      lend_scratch(a, s, scratch);
      kernel(a, s.as<float>());
    };
    if (s.index) return correlate(c.kernels.correlate_sparse, s.columns());
    correlate(c.kernels.correlate_dense, s.dense());
  });
}

/// Positions of the entries of a weight that never change.
std::vector<std::int32_t> fixed_positions(const Place& weight) {
  if (weight.index) return weight.index->diagonal;
  std::vector<std::int32_t> positions;
  if (!fixed_diagonal(weight)) return positions;
  for (std::int64_t k = 0; k < weight.receivers; ++k)
    positions.push_back(static_cast<std::int32_t>(k * weight.stride + k));
  return positions;
}

std::unique_ptr<Runnable> make_subtract(const Step& step) {
  return shared_runnable(step, [in = step.inputs, out = step.outputs[0]](Context& c, ThreadPart part) {
    const float* a = c.place(in[0]).as<float>();
    const float* b = c.place(in[1]).as<float>();
    float* difference = c.place(out).as<float>();
    const Units entries = units_of(c.place(out).entries(), part);
    for (std::int64_t i = entries.begin; i < entries.end; ++i) difference[i] = a[i] - b[i];
  });
}

std::unique_ptr<Runnable> make_apply(const Step& step) {
  const Optimized o = optimized(step);
  const std::size_t at = o.slots.size();
  return runnable([o, s = step.inputs[at], scalars = step.inputs[at + 1]](Context& c) {
    const Place& weight = c.place(o.slots[0]);
    const std::vector<std::int32_t> fixed = fixed_positions(weight);
    o.report(c, c.kernels.apply(rule_of(o.attributes.rule), c.place(scalars).tensor->data<float>().data(),
                                c.place(s).as<float>(), weight.entries(), fixed, weight.as<float>(),
                                o.moment(c, 0), o.moment(c, 1), o.fixed_copy(c)));
  });
}

}  // namespace

CorrelationSides sides_of(Context& c, const Correlated& slots) {
  return {sender_of(c.place(slots.u), c.frame), errors_of(c.place(slots.v), c.frame)};
}

std::function<void(Context&, const UpdateReport&)> update_reporter(const Step& step) {
  return [o = optimized(step)](Context& c, const UpdateReport& r) { o.report(c, r); };
}

std::unique_ptr<Runnable> make_update_step(const Step& step, Context& c) {
  switch (step.kernel) {
    case Kernel::update: return std::make_unique<Update>(step, c);
    case Kernel::correlate: return make_correlate(step);
    case Kernel::subtract: return make_subtract(step);
    case Kernel::apply: return make_apply(step);
    default: return nullptr;
  }
}

}  // namespace relaxon::executor
