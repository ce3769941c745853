#include "passes/plan/cost.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "passes/plan/kept_weights.hpp"

namespace relaxon {
namespace {

constexpr std::int64_t panel = 16;  // samples of a panel, and floats that a dense row is padded to

double round_up(std::int64_t n) { return static_cast<double>((n + panel - 1) / panel * panel); }

std::int64_t length_of(const Dim& dim, const PlanSizes& sizes) {
  if (!dim.is_symbolic()) return dim.length;
  if (dim == batch_dim) return sizes.batch;
  const auto found = sizes.lengths.find(dim.symbol);
  if (found == sizes.lengths.end()) internal_error("plan sizes: no length of axis {}", dim.symbol);
  return found->second;
}

double elements_of(const Type& type, const PlanSizes& sizes) {
  if (type.entries.kind == Entries::Kind::sparse) {
    const auto pattern = static_cast<std::size_t>(type.entries.pattern.index);
    if (pattern >= sizes.entries.size()) internal_error("plan sizes: no entries of pattern {}", pattern);
    return static_cast<double>(sizes.entries[pattern]);
  }
  double elements = 1;
  for (const Dim& dim : type.dims) elements *= static_cast<double>(length_of(dim, sizes));
  return elements;
}

/// Elements of one row of a table, of one sample of a batch.
double row_of(const Type& type, const PlanSizes& sizes) {
  double elements = 1;
  for (std::size_t axis = 1; axis < type.dims.size(); ++axis) {
    elements *= static_cast<double>(length_of(type.dims[axis], sizes));
  }
  return elements;
}

double element_bytes(Elem elem) {
  switch (elem) {
    case Elem::pm1:
    case Elem::tern:
    case Elem::u8: return 1;
    case Elem::two:
    case Elem::f32:
    case Elem::i32: return 4;
    case Elem::fix:
    case Elem::i64: return 8;
  }
  internal_error("unknown elements {}", static_cast<int>(elem));
}

double flops_of(ApplyRule rule) {
  switch (rule) {
    case ApplyRule::sgd: return 4;
    case ApplyRule::momentum: return 7;
    case ApplyRule::nesterov: return 9;
    case ApplyRule::adam: return 16;
    case ApplyRule::adamw: return 18;
  }
  internal_error("unknown optimizer {}", static_cast<int>(rule));
}

double flops_of(Rule rule) {
  switch (rule) {
    case Rule::perceptron:
    case Rule::strict: return 2;
    case Rule::softmax: return 6;
    case Rule::tanh: return 6;
    case Rule::truncated: return 5;
  }
  internal_error("unknown rule {}", static_cast<int>(rule));
}

class Counter {
 public:
  Counter(const Plan& plan, const Step& step, const PlanSizes& sizes)
      : plan_(plan), step_(step), sizes_(sizes) {}

  double flops() const {
    switch (step_.kernel) {
      case Kernel::zero:
      case Kernel::copy:
      case Kernel::load:
      case Kernel::store:
      case Kernel::turn:
      case Kernel::slice:
      case Kernel::take_row:
      case Kernel::gather:
      case Kernel::gather_index:
      case Kernel::probe:
      case Kernel::scan:
      case Kernel::loop: return 0;
      case Kernel::quantise: return step_.kept ? 0 : 2 * elements(input(0));
      case Kernel::sign: return elements(output(0)) * static_cast<double>(step_.inputs.size());
      // Beside the messages: target and margin.
      case Kernel::margin: return elements(output(0)) * (static_cast<double>(step_.inputs.size()) - 1);
      case Kernel::update: {
        const auto& map = std::get<CorrelateAttributes>(step_.region).map;
        const std::vector<Correlated> correlations = correlations_of(step_);
        double flops = apply() + static_cast<double>(correlations.size() - 1) * elements(input(0));
        for (const Correlated& s : correlations)
          flops += connected(map, input(0), plan_.slot(s.u).type, plan_.slot(s.v).type);
        return flops;
      }
      default: return op_flops();
    }
  }

  double bytes() const {
    if (step_.kept) return 0;
    std::vector<SlotId> seen;
    double bytes = 0;
    for (std::size_t i = 0; i < step_.inputs.size(); ++i) {
      const SlotId id = step_.inputs[i];
      if (std::find(seen.begin(), seen.end(), id) != seen.end()) continue;
      seen.push_back(id);
      bytes += i == 0 && reads_rows() ? rows_read() : bytes_of(plan_.slot(id), sizes_);
    }
    for (const SlotId id : step_.outputs) bytes += written(plan_.slot(id));
    return bytes;
  }

 private:
  const Type& input(std::size_t i) const { return plan_.slot(step_.inputs.at(i)).type; }
  const Type& output(std::size_t i) const { return plan_.slot(step_.outputs.at(i)).type; }
  double elements(const Type& type) const { return elements_of(type, sizes_); }

  /// Messages and correlations: 2 for each sample and connection.
  double connected(const MapAttributes& map, const Type& weight, const Type& sender,
                   const Type& receiver) const {
    switch (map.kind) {
      case MapKind::dense:
        return 2 * static_cast<double>(length_of(sender.dims.at(0), sizes_)) * elements(weight);
      case MapKind::diag: return 2 * elements(receiver);
      case MapKind::conv:
      case MapKind::convt: {
        const double channels = static_cast<double>(length_of(weight.dims.at(3), sizes_));
        return 2 * elements(receiver) * elements(weight) / channels;
      }
      case MapKind::repeat:
      case MapKind::broadcast: return elements(receiver);
    }
    internal_error("unknown map {}", static_cast<int>(map.kind));
  }

  double apply() const {
    const double kept = kept_by(step_).index >= 0 ? 2 : 0;
    return elements(input(0)) * (flops_of(std::get<ApplyAttributes>(step_.attributes).rule) + kept);
  }

  double window() const {
    const auto& a = std::get<WindowAttributes>(step_.attributes);
    if (!a.axes.empty()) return elements(input(0));
    return elements(output(0)) * static_cast<double>(a.kernel[0] * a.kernel[1]);
  }

  /// By the op: what its own kernel and the interpreter have in common.
  double op_flops() const {
    switch (step_.op) {
      case OpKind::message:
        return connected(std::get<MessageAttributes>(step_.attributes).map, input(1), input(0), output(0));
      case OpKind::advance:
        return connected(std::get<MessageAttributes>(step_.attributes).map, input(3), input(1), output(0));
      case OpKind::correlate:
        return connected(std::get<CorrelateAttributes>(step_.attributes).map, output(0), input(0), input(1));
      case OpKind::apply: return apply();
      case OpKind::majority: return window();
      case OpKind::aggregate: return elements(output(0)) * (static_cast<double>(step_.inputs.size()) - 1);
      case OpKind::error:
        return elements(output(0)) * flops_of(std::get<ErrorAttributes>(step_.attributes).rule);
      case OpKind::affine:
      case OpKind::to_fix:
      case OpKind::to_f32: return 2 * elements(output(0));
      case OpKind::threshold:
      case OpKind::gate:
      case OpKind::subtract: return elements(output(0));
      case OpKind::hits: return elements(input(1));
      default: return 0;
    }
  }

  bool reads_rows() const { return step_.op == OpKind::take || step_.op == OpKind::slice; }

  double rows_read() const {
    const double rows = output(0).rank() < input(0).rank() ? 1 : static_cast<double>(sizes_.batch);
    return rows * row_of(input(0), sizes_) * element_bytes(input(0).elem);
  }

  /// A kernel that fills sparse entries leaves their index alone.
  double written(const Slot& slot) const {
    const bool columns = slot.storage == Storage::columns || slot.storage == Storage::columns_fixed;
    return columns ? 4 * elements(slot.type) : bytes_of(slot, sizes_);
  }

  const Plan& plan_;
  const Step& step_;
  const PlanSizes& sizes_;
};

}  // namespace

PlanSizes sizes_of(const Plan& plan, const PlanOptions& options) {
  PlanSizes sizes;
  sizes.batch = options.batch;
  sizes.threads = plan.threads;
  for (const Slot& slot : plan.slots) {
    for (const Dim& dim : slot.type.dims) {
      if (dim.is_symbolic() && dim != batch_dim) sizes.lengths[dim.symbol] = 1;
    }
  }
  for (const PatternDeclaration& pattern : plan.patterns) {
    const auto known = options.entries.find(pattern.name);
    constexpr std::int64_t density = 10;  // one connection in so many, where nothing is known
    sizes.entries.push_back(known != options.entries.end() ? known->second
                                                           : pattern.senders * pattern.receivers / density);
  }
  return sizes;
}

double bytes_of(const Slot& slot, const PlanSizes& sizes) {
  const Type& type = slot.type;
  switch (slot.storage) {
    case Storage::tensor: return elements_of(type, sizes) * element_bytes(type.elem);
    case Storage::signs:
    case Storage::pair: return row_of(type, sizes) * round_up(sizes.batch) / 4;
    case Storage::bytes: return row_of(type, sizes) * round_up(sizes.batch);
    case Storage::reals:
    case Storage::fields: return row_of(type, sizes) * round_up(sizes.batch) * 4;
    case Storage::field_rows:
    case Storage::partial_rows: {
      const double copies = slot.storage == Storage::partial_rows ? sizes.threads : 1;
      return copies * round_up(static_cast<std::int64_t>(row_of(type, sizes))) * round_up(sizes.batch) * 4;
    }
    case Storage::dense:
    case Storage::dense_fixed:
      return static_cast<double>(length_of(type.dims.at(0), sizes)) *
             round_up(length_of(type.dims.at(1), sizes)) * 4;
    case Storage::columns:
    case Storage::columns_fixed:
      return 8 * elements_of(type, sizes) + 4 * static_cast<double>(length_of(type.dims.at(1), sizes) + 1);
  }
  internal_error("unknown storage {}", static_cast<int>(slot.storage));
}

Cost cost_of(const Plan& plan, const Step& step, const PlanSizes& sizes) {
  Cost cost;
  if (step.kernel == Kernel::scan || step.kernel == Kernel::loop) {
    for (const Step& inner : step.body) cost += cost_of(plan, inner, sizes);
    return cost;
  }
  const Counter counter(plan, step, sizes);
  return {counter.flops(), counter.bytes()};
}

}  // namespace relaxon
