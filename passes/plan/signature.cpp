#include "passes/plan/signature.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "ir/op_info.hpp"
#include "passes/plan/followed_samples.hpp"
#include "passes/plan/kept_weights.hpp"

namespace relaxon {
namespace {

constexpr Storages all = Storages::all();
constexpr Storages tensor{Storage::tensor};
constexpr Storages signs{Storage::signs};
constexpr Storages reals{Storage::reals};
constexpr Storages by_lane{Storage::fields}, rows{Storage::field_rows};
constexpr Storages fields{Storage::fields, Storage::field_rows, Storage::partial_rows};
constexpr Storages whole_fields{Storage::fields, Storage::field_rows};
constexpr Storages targets{Storage::signs, Storage::pair};
constexpr Storages senders{Storage::signs, Storage::pair, Storage::bytes, Storage::reals};
constexpr Storages errors{Storage::signs, Storage::pair, Storage::reals};
constexpr Storages panels{Storage::signs, Storage::pair,   Storage::bytes,
                          Storage::reals, Storage::fields, Storage::field_rows};
constexpr Storages weights{Storage::dense, Storage::columns};
constexpr Storages fixed_weights{Storage::dense_fixed, Storage::columns_fixed};

/// The storage of an input, which may be missing.
Storage storage(const Plan& plan, const Step& step, std::size_t input) {
  return input < step.inputs.size() ? plan.slot(step.inputs[input]).storage : Storage::tensor;
}

/// How exact messages of a weight lie.
Storages message_layout(const Step& step, Storage weight) {
  if (weight == Storage::dense_fixed)
    return step.threads == Threads::senders ? Storages{Storage::partial_rows} : rows;
  return weight == Storage::columns_fixed ? by_lane : fields;
}

/// So many fields, one at least, before other inputs.
std::vector<Storages> after_fields(const Step& step, std::vector<Storages> others) {
  const std::size_t count = std::max(step.inputs.size(), others.size() + 1) - others.size();
  others.insert(others.begin(), count, fields);
  return others;
}

Signature sum(const Plan& plan, const Step& step) {
  const bool any = std::any_of(step.inputs.begin(), step.inputs.end(),
                               [&](SlotId id) { return by_sample(plan.slot(id).storage); });
  return {after_fields(step, {}), {any ? rows : by_lane}};
}

Signature margin(const Plan& plan, const Step& step) {
  const bool fused = holds_fields(storage(plan, step, 0));
  const std::size_t target = fused && step.inputs.size() > 1 ? step.inputs.size() - 2 : 0;
  Storages out = targets;
  if (targets.contains(storage(plan, step, target))) out = {storage(plan, step, target)};
  if (!fused) return {{targets, fields, tensor}, {out}};
  return {after_fields(step, {targets, tensor}), {out}};
}

/// apply: S lies as the weight; update: sender and errors instead, of one correlation or two. Either may
/// leave q of the weight, too.
Signature optimizer_step(const Plan& plan, const Step& step) {
  const auto* apply = std::get_if<ApplyAttributes>(&step.attributes);
  const std::size_t moments = apply ? static_cast<std::size_t>(moments_of(apply->rule)) : 0;
  const Storage own = storage(plan, step, 0);
  const Storages weight = weights.contains(own) ? Storages{own} : weights;
  Signature s{std::vector<Storages>(moments + 1, weight), std::vector<Storages>(moments + 1, weight)};
  if (step.kernel == Kernel::apply) {
    s.inputs.push_back(weight);
  } else {
    s.inputs.insert(s.inputs.end(), {senders, errors});
    if (step.inputs.size() > moments + 4) s.inputs.insert(s.inputs.end(), {senders, errors});
  }
  s.inputs.push_back(tensor);
  if (apply && kept_by(step).index >= 0) s.outputs.push_back(Storages{Storage::dense_fixed});
  return s;
}

/// From one storage to another.
Signature transfer(const Plan& plan, const Step& step) {
  const Storage from = storage(plan, step, 0);
  Storages to{from};
  if (step.kernel == Kernel::copy && step.threads == Threads::senders && by_sample(from))
    to = {Storage::partial_rows};
  if (step.kernel == Kernel::turn) to = from == Storage::fields ? rows : by_lane;
  if (step.kernel == Kernel::quantise)
    to = {from == Storage::columns ? Storage::columns_fixed : Storage::dense_fixed};
  const Storages taken = step.kernel == Kernel::turn   ? whole_fields
                         : step.kernel == Kernel::copy ? all
                                                       : weights;
  return {{taken}, {to}};
}

}  // namespace

std::string Storages::text() const {
  if (bits_ == all().bits_) return "any storage";
  std::string text;
  for (std::size_t i = 0; i < storage_names.size(); ++i) {
    if (contains(static_cast<Storage>(i)))
      text += fmt::format("{}{}", text.empty() ? "" : " or ", storage_names[i]);
  }
  return text;
}

Storages storages_for(const Type& type) {
  if (type.rank() >= 2 && type.dims[0] == batch_dim) {
    switch (type.elem) {
      case Elem::pm1:
      case Elem::tern: return {Storage::tensor, Storage::signs};
      case Elem::two: return {Storage::tensor, Storage::pair};
      case Elem::u8: return {Storage::tensor, Storage::bytes};
      case Elem::f32: return {Storage::tensor, Storage::reals};
      case Elem::fix: return {Storage::tensor, Storage::fields, Storage::field_rows, Storage::partial_rows};
      case Elem::i32:
      case Elem::i64: return tensor;
    }
  }
  const bool numbers = type.elem == Elem::f32 || type.elem == Elem::i64;
  if (type.rank() != 2 || !numbers || type.dims[0].is_symbolic() || type.dims[1].is_symbolic()) return tensor;
  if (type.entries.kind == Entries::Kind::sparse)
    return {Storage::tensor, Storage::columns, Storage::columns_fixed};
  return {Storage::tensor, Storage::dense, Storage::dense_fixed};
}

Signature signature_of(const Plan& plan, const Step& step) {
  switch (step.kernel) {
    case Kernel::reference:
      return {std::vector<Storages>(step.inputs.size(), all),
              std::vector<Storages>(step.outputs.size(), all)};
    case Kernel::zero: return {{}, {all}};
    case Kernel::load: return {{tensor}, {all}};
    case Kernel::store: return {{all}, {tensor}};
    case Kernel::copy:
    case Kernel::turn:
    case Kernel::quantise: return transfer(plan, step);
    case Kernel::slice: return {{tensor, tensor, tensor}, {tensor}};
    case Kernel::take_row:
    case Kernel::gather_index: return {{tensor, tensor}, {tensor}};
    case Kernel::gather: return {{tensor, tensor}, {panels}};
    case Kernel::exact: return {{signs, fixed_weights}, {message_layout(step, storage(plan, step, 1))}};
    case Kernel::real:
      if (followed_senders(step).index >= 0) return {{reals, weights}, {reals, reals}};
      return {{senders, weights}, {reals}};
    case Kernel::to_fields: return {{reals}, {by_lane}};
    case Kernel::to_reals: return {{whole_fields}, {reals}};
    case Kernel::affine: return {{senders, tensor, tensor}, {reals}};
    case Kernel::sum: return sum(plan, step);
    case Kernel::sign: return {after_fields(step, {}), {signs}};
    case Kernel::margin: return margin(plan, step);
    case Kernel::correlate: return {{senders, errors}, {weights}};
    case Kernel::subtract: {
      const Storages weight =
          weights.contains(storage(plan, step, 0)) ? Storages{storage(plan, step, 0)} : weights;
      return {{weight, weight}, {weight}};
    }
    case Kernel::apply:
    case Kernel::update: return optimizer_step(plan, step);
    case Kernel::advance:
    case Kernel::follow: {
      const Storages field = message_layout(step, storage(plan, step, 3));
      Signature s{{field, signs, signs, fixed_weights}, {field}};
      // Whole fields may lie below partial rows.
      const bool partial = field.contains(Storage::partial_rows) && follow_base(step).index >= 0 &&
                           storage(plan, step, 4) == Storage::field_rows;
      if (follow_base(step).index >= 0) s.inputs.push_back(partial ? rows : field);
      return s;
    }
    case Kernel::hits: return {{tensor, reals, tensor}, {tensor}};
    case Kernel::scan:
    case Kernel::loop: {
      Signature s{std::vector<Storages>(std::max<std::size_t>(step.inputs.size(), 1), all),
                  std::vector<Storages>(step.outputs.size(), all)};
      s.inputs[0] = tensor;
      return s;
    }
    case Kernel::probe: return {{all}, {}};
  }
  internal_error("unknown kernel {}", static_cast<int>(step.kernel));
}

bool in_place(Kernel kernel) {
  return kernel == Kernel::advance || kernel == Kernel::follow || kernel == Kernel::apply ||
         kernel == Kernel::update;
}

}  // namespace relaxon
