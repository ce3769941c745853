// Steps that learn: correlations and optimizer steps.
#include <cmath>

#include "core/error.hpp"
#include "runtime/executor/step.hpp"
#include "runtime/weight_errors.hpp"

namespace relaxon::executor {
namespace {

StepRule rule_of(ApplyRule rule) {
  switch (rule) {
    case ApplyRule::sgd: return StepRule::sgd;
    case ApplyRule::momentum: return StepRule::momentum;
    case ApplyRule::nesterov: return StepRule::nesterov;
    case ApplyRule::adam: return StepRule::adam;
    case ApplyRule::adamw: return StepRule::adamw;
  }
  internal_error("unknown optimizer rule {}", static_cast<int>(rule));
}

Sender sender_of(const Place& u, const Frame& f) {
  const Type& type = u.slot->type;
  switch (u.slot->storage) {
    case Storage::signs: return {Sender::Kind::signs, u.signs_in(f), nullptr, nullptr, 0, 0};
    case Storage::pair: return {Sender::Kind::pair, u.signs_in(f), nullptr, nullptr, type.a, type.b};
    case Storage::bytes: return {Sender::Kind::bytes, {}, u.as<std::uint8_t>(), nullptr, 0, 0};
    case Storage::reals: return {Sender::Kind::real, {}, nullptr, u.as<float>(), 0, 0};
    default: internal_error("a correlation with storage {}", static_cast<int>(u.slot->storage));
  }
}

Errors errors_of(const Place& v, const Frame& f) {
  const Type& type = v.slot->type;
  switch (v.slot->storage) {
    case Storage::signs: return {Errors::Kind::signs, v.signs_in(f), nullptr, 0, 0};
    case Storage::pair: return {Errors::Kind::pair, v.signs_in(f), nullptr, type.a, type.b};
    case Storage::reals: return {Errors::Kind::real, {}, v.as<float>(), 0, 0};
    default: internal_error("a correlation with storage {}", static_cast<int>(v.slot->storage));
  }
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

  float* moment(Context& c, std::size_t i) const {
    return i + 1 < slots.size() ? c.place(slots[i + 1]).as<float>() : nullptr;
  }
  void report(Context& c, const UpdateReport& r) const {
    if (!r.finite) fail_not_finite(c.place(slots[0]), moment(c, 0), moment(c, 1), attributes.edge);
    c.guard.weight_changed(slots[0], r.largest_change);
  }
};

Optimized optimized(const Step& step) {
  const auto& attributes = std::get<ApplyAttributes>(step.attributes);
  const auto n = static_cast<std::ptrdiff_t>(moments_of(attributes.rule)) + 1;
  return {{step.inputs.begin(), step.inputs.begin() + n}, attributes};
}

template <class Weight>
UpdateArguments<Weight> arguments(Context& c, SlotId u, SlotId v, Weight weight, const Place& place,
                                  std::vector<float>& scratch) {
  UpdateArguments<Weight> a{};
  a.u = sender_of(c.place(u), c.frame);
  a.v = errors_of(c.place(v), c.frame);
  a.panels = c.frame.panels;
  a.weight = weight;
  a.fixed_diagonal = fixed_diagonal(place);
  const std::int64_t floats = place.index ? 0 : update_scratch(a.u.kind, a.v.kind, a.panels, place.stride);
  if (static_cast<std::int64_t>(scratch.size()) < floats) scratch.resize(static_cast<std::size_t>(floats));
  a.scratch = scratch.data();
  return a;
}

std::unique_ptr<Runnable> make_update(const Step& step) {
  const Optimized o = optimized(step);
  const std::size_t u = o.slots.size();
  return runnable([o, u = step.inputs[u], v = step.inputs[u + 1], scalars = step.inputs[u + 2],
                   scratch = std::vector<float>()](Context& c) mutable {
    const Place& weight = c.place(o.slots[0]);
    const auto run = [&](auto kernel, auto w) {
      auto a = arguments(c, u, v, w, weight, scratch);
      a.rule = rule_of(o.attributes.rule);
      a.scalars = c.place(scalars).tensor->template data<float>().data();
      a.moments[0] = o.moment(c, 0);
      a.moments[1] = o.moment(c, 1);
      o.report(c, kernel(a));
    };
    if (weight.index) return run(c.kernels.update_sparse, weight.columns());
    run(c.kernels.update_dense, weight.dense());
  });
}

std::unique_ptr<Runnable> make_correlate(const Step& step) {
  return runnable([u = step.inputs[0], v = step.inputs[1], out = step.outputs[0],
                   scratch = std::vector<float>()](Context& c) mutable {
    const Place& s = c.place(out);
    if (s.index)
      return c.kernels.correlate_sparse(arguments(c, u, v, s.columns(), s, scratch), s.as<float>());
    c.kernels.correlate_dense(arguments(c, u, v, s.dense(), s, scratch), s.as<float>());
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

std::unique_ptr<Runnable> make_apply(const Step& step) {
  const Optimized o = optimized(step);
  const std::size_t at = o.slots.size();
  return runnable([o, s = step.inputs[at], scalars = step.inputs[at + 1]](Context& c) {
    const Place& weight = c.place(o.slots[0]);
    const std::vector<std::int32_t> fixed = fixed_positions(weight);
    o.report(c, c.kernels.apply(rule_of(o.attributes.rule), c.place(scalars).tensor->data<float>().data(),
                                c.place(s).as<float>(), weight.entries(), fixed, weight.as<float>(),
                                o.moment(c, 0), o.moment(c, 1)));
  });
}

}  // namespace

std::function<void(Context&, const UpdateReport&)> update_reporter(const Step& step) {
  return [o = optimized(step)](Context& c, const UpdateReport& r) { o.report(c, r); };
}

std::unique_ptr<Runnable> make_update_step(const Step& step, Context&) {
  switch (step.kernel) {
    case Kernel::update: return make_update(step);
    case Kernel::correlate: return make_correlate(step);
    case Kernel::apply: return make_apply(step);
    default: return nullptr;
  }
}

}  // namespace relaxon::executor
