#include "runtime/executor/bound_guard.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>

namespace relaxon::executor {
namespace {

constexpr double int32_limit = 1 << 30;
constexpr int batches_on_int64 = 64;

std::size_t index(SlotId id) { return static_cast<std::size_t>(id.index); }

bool writes_field(const Plan& plan, const Step& step) {
  return std::any_of(step.outputs.begin(), step.outputs.end(),
                     [&](SlotId s) { return holds_fields(plan.slot(s).storage); });
}

/// Sums of weights and of their magnitudes, a pair a column: half their sum and half their difference are
/// those of either sign. Without a branch, which half the weights would take.
struct ColumnSum {
  double all = 0, magnitudes = 0;
  void add(float w) {
    all += static_cast<double>(w);
    magnitudes += std::abs(static_cast<double>(w));
  }
};

ColumnSum sum_of(std::span<const float> entries) {
  constexpr std::size_t side_by_side = 4;
  ColumnSum sums[side_by_side];
  const std::size_t whole = entries.size() / side_by_side * side_by_side;
  for (std::size_t i = 0; i < whole; i += side_by_side) {
    for (std::size_t c = 0; c < side_by_side; ++c) sums[c].add(entries[i + c]);
  }
  for (std::size_t i = whole; i < entries.size(); ++i) sums[0].add(entries[i]);
  for (std::size_t c = 1; c < side_by_side; ++c) {
    sums[0].all += sums[c].all;
    sums[0].magnitudes += sums[c].magnitudes;
  }
  return sums[0];
}

std::vector<ColumnSum> column_sums(const Place& weight) {
  std::vector<ColumnSum> sums(static_cast<std::size_t>(weight.receivers));
  const std::span entries(weight.as<const float>(), static_cast<std::size_t>(weight.entries()));
  if (weight.index) {
    const std::vector<std::int32_t>& offsets = weight.index->offsets;
    for (std::size_t k = 0; k < sums.size(); ++k) {
      const auto first = static_cast<std::size_t>(offsets[k]),
                 last = static_cast<std::size_t>(offsets[k + 1]);
      sums[k] = sum_of(entries.subspan(first, last - first));
    }
  } else {
    for (std::int64_t j = 0; j < weight.senders; ++j) {
      const std::span row = entries.subspan(static_cast<std::size_t>(j * weight.stride), sums.size());
      for (std::size_t k = 0; k < sums.size(); ++k) sums[k].add(row[k]);
    }
  }
  return sums;
}

}  // namespace

BoundGuard::BoundGuard(const Plan& plan)
    : plan_(plan),
      terms_(plan.slots.size()),
      parts_(plan.slots.size()),
      held_(plan.slots.size()),
      bases_(plan.slots.size()),
      source_(plan.slots.size()),
      ranges_(plan.slots.size()),
      anywhere_(plan.slots.size(), false),
      columns_(plan.slots.size()),
      largest_(plan.slots.size(), 0) {
  for (const Plan::Port& binding : plan.bindings) source_[index(binding.slot)] = binding.slot;
  for_each_step(plan.steps, [&](const Step& step, int) {
    const SlotId base = follow_base(step);
    if (base.index < 0) return;
    SlotId& known = bases_[index(step.outputs[0])];
    if (known.index >= 0 && known != base) unknown_ = true;
    known = base;
  });
  // Carries hold what they start from and what their bodies yield, which the next walk sees.
  std::size_t known = 0;
  for (std::size_t before = 1; known != before;) {
    before = known;
    sums_.clear();
    follow(plan.steps);
    known = 0;
    for (std::size_t i = 0; i < terms_.size(); ++i)
      known += terms_[i].size() + held_[i].size() + (anywhere_[i] ? 1 : 0);
  }
  for (std::size_t i = 0; i < plan.slots.size(); ++i) {
    const SlotId slot{static_cast<std::int32_t>(i)};
    if (holds_fields(plan.slot(slot).storage)) sums_.push_back({slot});
  }
  check_advances();
  check_updates(plan.steps);
  find_growing_sums();
}

/// A sum that is part of itself, in the next iteration, has no bound.
void BoundGuard::find_growing_sums() {
  enum class State : std::uint8_t { unseen, open, done };
  std::vector<State> states(plan_.slots.size(), State::unseen);
  const std::function<void(SlotId)> visit = [&](SlotId slot) {
    State& state = states[index(slot)];
    if (state == State::open) unknown_ = true;
    if (state != State::unseen) return;
    state = State::open;
    for (const SlotId part : parts_[index(slot)]) visit(part);
    for (const SlotId other : held_[index(slot)]) visit(other);
    if (bases_[index(slot)].index >= 0) visit(bases_[index(slot)]);
    state = State::done;
  };
  for (std::size_t i = 0; i < states.size(); ++i) visit(SlotId{static_cast<std::int32_t>(i)});
}

/// What an advance is given must be a message of its weight: on top of anything else it has no bound here.
void BoundGuard::check_advances() {
  for_each_step(plan_.steps, [&](const Step& step, int) {
    if (step.kernel != Kernel::advance) return;
    const SlotId field = step.outputs[0], weight = source_[index(step.inputs[3])];
    const auto& terms = terms_[index(field)];
    const bool messages = std::all_of(terms.begin(), terms.end(), [&](const Term& term) {
      return term == Term{weight, {}};
    });
    if (!messages || !parts_[index(field)].empty() || !held_[index(field)].empty()) unknown_ = true;
  });
}

/// Fields that follow an update in the same batch belong to weights that the check before the batch has not
/// seen.
void BoundGuard::check_updates(const std::vector<Step>& steps) {
  bool updated = false;
  for (const Step& step : steps) {
    const bool fields_inside = std::any_of(step.body.begin(), step.body.end(),
                                           [&](const Step& s) { return writes_field(plan_, s); });
    if (updated && (writes_field(plan_, step) || fields_inside)) unknown_ = true;
    if (step.kernel == Kernel::update || step.kernel == Kernel::apply) updated = true;
    if (step.kernel == Kernel::loop) check_updates(step.body);
  }
}

void BoundGuard::follow(const std::vector<Step>& steps) {
  for (const Step& step : steps) follow(step);
}

void BoundGuard::add(SlotId to, const Term& term) {
  auto& terms = terms_[index(to)];
  if (std::find(terms.begin(), terms.end(), term) == terms.end()) terms.push_back(term);
}

void BoundGuard::join(SlotId to, SlotId from) {
  // A base lies below everything else, so it counts once.
  if (to == from || bases_[index(to)] == from) return;
  for (const Term& term : terms_[index(from)]) add(to, term);
  auto& held = held_[index(to)];
  const bool based = bases_[index(from)].index >= 0 && bases_[index(from)] != bases_[index(to)];
  const bool sum = based || !parts_[index(from)].empty() || !held_[index(from)].empty();
  if (sum && std::find(held.begin(), held.end(), from) == held.end()) held.push_back(from);
  if (source_[index(from)].index >= 0) source_[index(to)] = source_[index(from)];
}

/// Where the numbers in a slot lie, if its type or the plan tells.
std::optional<BoundGuard::Range> BoundGuard::range_of(SlotId x) const {
  const Type& type = plan_.slot(x).type;
  if (anywhere_[index(x)]) return std::nullopt;
  switch (type.elem) {
    case Elem::u8: return Range{0, 255.0 * type.scale, {}, 0};
    case Elem::two: return Range{std::min(type.a, type.b), std::max(type.a, type.b), {}, 0};
    case Elem::f32:
      if (ranges_[index(x)] || source_[index(x)].index < 0) return ranges_[index(x)];
      return Range{0, 0, source_[index(x)], 1};
    default: return Range{-1, 1, {}, 0};
  }
}

/// a x + b with constants. Rounding stays far below what bound() allows for.
void BoundGuard::follow_affine(const Step& step) {
  const auto x = range_of(step.inputs[0]), a = range_of(step.inputs[1]), b = range_of(step.inputs[2]);
  std::optional<Range>& range = ranges_[index(step.outputs[0])];
  range.reset();  // an earlier walk may have known more
  const auto constant = [](const Range& r) { return r.input.index < 0 && r.low == r.high; };
  if (!x || !a || !b || !constant(*a) || !constant(*b)) return;
  const auto [low, high] = std::minmax({a->low * x->low, a->low * x->high});
  range = Range{low + b->low, high + b->low, x->input, std::abs(a->low) * x->spread};
}

void BoundGuard::follow_real(const Step& step) {
  const std::optional<Range> x = range_of(step.inputs[0]);
  if (!x) unknown_ = true;
  const SlotId input = x ? x->input : SlotId{};
  if (input.index >= 0 && std::find(watched_.begin(), watched_.end(), input) == watched_.end())
    watched_.push_back(input);
  terms_[index(step.outputs[0])] = {{step.inputs[1], {}, x.value_or(Range{})}};
}

void BoundGuard::follow(const Step& step) {
  const auto set = [&](SlotId slot, Term term) { terms_[index(slot)] = {term}; };
  switch (step.kernel) {
    case Kernel::quantise: source_[index(step.outputs[0])] = step.inputs[0]; return;
    case Kernel::exact: return set(step.outputs[0], {source_[index(step.inputs[1])], {}});
    case Kernel::advance:
    case Kernel::follow: return add(step.outputs[0], {source_[index(step.inputs[3])], {}});
    case Kernel::load:
      if (holds_fields(plan_.slot(step.outputs[0]).storage))
        return set(step.outputs[0], {{}, step.inputs[0]});
      return join(step.outputs[0], step.inputs[0]);
    case Kernel::turn:
    case Kernel::copy: return join(step.outputs[0], step.inputs[0]);
    case Kernel::gather:
      if (holds_fields(plan_.slot(step.outputs[0]).storage))
        return set(step.outputs[0], {{}, step.inputs[0]});
      source_[index(step.outputs[0])] = source_[index(step.inputs[0])];
      return;
    case Kernel::real: return follow_real(step);
    case Kernel::reference:
      if (const auto* constant = std::get_if<ConstantAttributes>(&step.attributes))
        ranges_[index(step.outputs[0])] = Range{constant->real, constant->real, {}, 0};
      if (writes_field(plan_, step)) unknown_ = true;
      return;
    case Kernel::affine: return follow_affine(step);
    case Kernel::to_fields:
      if (terms_[index(step.inputs[0])].empty()) unknown_ = true;
      return join(step.outputs[0], step.inputs[0]);
    case Kernel::sum: {
      sums_.push_back(step.inputs);
      parts_[index(step.outputs[0])] = step.inputs;
      return;
    }
    case Kernel::sign:
    case Kernel::margin: {
      std::vector<SlotId> fields;
      for (const SlotId s : step.inputs) {
        if (holds_fields(plan_.slot(s).storage)) fields.push_back(s);
      }
      sums_.push_back(fields);
      return;
    }
    case Kernel::scan:
    case Kernel::loop:
      for (std::size_t c = 0; c < step.outputs.size(); ++c) join(step.outputs[c], step.inputs[c + 1]);
      follow(step.body);
      for (std::size_t c = 0; c < step.outputs.size(); ++c) {
        join(step.outputs[c], step.yielded[c]);
        // Numbers that the next iteration finds elsewhere may lie anywhere.
        if (range_of(step.yielded[c]) != range_of(step.outputs[c])) anywhere_[index(step.outputs[c])] = true;
      }
      return;
    default:
      if (writes_field(plan_, step) && step.kernel != Kernel::zero) unknown_ = true;
      return;
  }
}

void BoundGuard::start_run() {
  for (const auto& terms : terms_) {
    for (const Term& term : terms) {
      if (term.table.index >= 0) columns_[index(term.table)].stale = true;
    }
  }
}

void BoundGuard::weight_loaded(SlotId slot) { columns_[index(slot)].stale = true; }

void BoundGuard::weight_changed(SlotId slot, float growth) {
  columns_[index(slot)].drift += growth;
  columns_[index(slot)].changed = true;
}

void BoundGuard::set_largest(SlotId slot, double largest) { largest_[index(slot)] = largest; }

BoundGuard::Columns BoundGuard::largest_columns(const Place& weight) {
  Columns largest{0, 0, 0, false, false};
  for (const ColumnSum& sum : column_sums(weight)) {
    largest.largest = std::max(largest.largest, sum.magnitudes);
    largest.one_sign = std::max(largest.one_sign, (sum.magnitudes + std::abs(sum.all)) / 2);
  }
  return largest;
}

double BoundGuard::table_bound(SlotId slot, const Memory& memory) {
  Columns& table = columns_[index(slot)];
  if (!table.stale) return table.largest;
  const TensorPtr& tensor = memory[slot].tensor;
  if (!tensor) return int32_limit;
  double largest = 0;
  for (const std::int64_t h : tensor->data<std::int64_t>())
    largest = std::max(largest, std::abs(static_cast<double>(h)));
  table = {largest, largest, 0, false, false};
  return largest;
}

double BoundGuard::bound(const Term& term, const Memory& memory, bool exact) {
  if (term.table.index >= 0) return table_bound(term.table, memory);
  Columns& columns = columns_[index(term.weight)];
  if (columns.stale || (exact && columns.changed)) columns = largest_columns(memory[term.weight]);
  const Place& place = memory[term.weight];
  const auto entries = static_cast<double>(place.index ? place.index->longest_column : place.senders);
  const double beyond = term.x.input.index >= 0 ? term.x.spread * largest_[index(term.x.input)] : 0;
  const double above = std::max(term.x.high + beyond, 0.0), below = std::max(beyond - term.x.low, 0.0);
  // What adds up is the weights of one sign times numbers of one sign, and the others times the others.
  const double most = std::max(above, below), least = std::min(above, below);
  const double column = columns.one_sign * (most - least) + columns.largest * least;
  const double drift = columns.drift * entries * most;
  // Rounding: half a unit an entry for q; the float32 sums of a real-valued sender are off by less than 1 % .
  return 1.01 * ((column + drift) * std::ldexp(1.0, plan_.fixed_bits) + entries + 1);
}

double BoundGuard::bound(SlotId field, const Memory& memory, bool exact) {
  double largest = 0;
  for (const SlotId part : parts_[index(field)]) largest += bound(part, memory, exact);
  for (const SlotId other : held_[index(field)]) largest = std::max(largest, bound(other, memory, exact));
  for (const Term& term : terms_[index(field)]) largest = std::max(largest, bound(term, memory, exact));
  if (bases_[index(field)].index >= 0) largest += bound(bases_[index(field)], memory, exact);
  return largest;
}

bool BoundGuard::fits_int32(const Memory& memory) {
  if (unknown_) return false;
  if (wait_ > 0) {
    --wait_;
    return false;
  }
  const auto all_fit = [&](bool exact) {
    return std::all_of(sums_.begin(), sums_.end(), [&](const std::vector<SlotId>& fields) {
      double sum = 0;
      for (const SlotId field : fields) sum += bound(field, memory, exact);
      return sum < int32_limit;
    });
  };
  if (all_fit(false)) return true;
  ++checks_;
  if (all_fit(true)) return true;
  wait_ = batches_on_int64;
  return false;
}

}  // namespace relaxon::executor
