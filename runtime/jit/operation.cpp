#include "runtime/jit/operation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "core/error.hpp"
#include "passes/plan/kept_weights.hpp"
#include "runtime/kernel_kinds.hpp"
#include "runtime/kernels/arithmetic.hpp"

namespace relaxon::jit {
namespace {

/// A float by its bits: equal text, equal code.
std::string bits_of(float value) { return fmt::format("{:08x}", std::bit_cast<std::uint32_t>(value)); }

std::string text_of_summands(const Summands& m) {
  return fmt::format("by_lane={} by_sample={}", m.by_lane, m.by_sample);
}

std::string text_of_sender(const RealSender& x) {
  return fmt::format("x={} a={} b={} scale={}", static_cast<int>(x.kind), bits_of(x.a), bits_of(x.b),
                     bits_of(x.scale));
}

struct Text {
  std::string operator()(const Quantise& o) const { return fmt::format("quantise bits={}", o.fixed_bits); }
  std::string operator()(const ToFields& o) const {
    return fmt::format("to_fields units={} bits={}", o.units, o.fixed_bits);
  }
  std::string operator()(const Sum& o) const {
    return fmt::format("sum units={} {}", o.units, text_of_summands(o.messages));
  }
  std::string operator()(const Sign& o) const {
    return fmt::format("sign units={} {}", o.units, text_of_summands(o.messages));
  }
  std::string operator()(const SignError& o) const {
    return fmt::format("sign_error units={} {}", o.units, text_of_summands(o.messages));
  }
  std::string operator()(const PairError& o) const {
    return fmt::format("pair_error units={} {} a={} b={} bits={}", o.units, text_of_summands(o.messages),
                       bits_of(o.a), bits_of(o.b), o.fixed_bits);
  }
  std::string operator()(const Turn& o) const {
    return fmt::format("turn units={} to_samples={:d}", o.units, o.to_samples);
  }
  std::string operator()(const Affine& o) const {
    return fmt::format("affine units={} {}", o.units, text_of_sender(o.x));
  }
  std::string operator()(const RealDense& o) const {
    return fmt::format("real_dense senders={} receivers={} {}", o.senders, o.receivers, text_of_sender(o.x));
  }
  std::string operator()(const RealSparse& o) const {
    return fmt::format("real_sparse senders={} receivers={} {}", o.senders, o.receivers, text_of_sender(o.x));
  }
  std::string operator()(const ExactRows& o) const {
    return fmt::format("exact_rows senders={} receivers={}", o.senders, o.receivers);
  }
  std::string operator()(const AdvanceRows& o) const {
    return fmt::format("advance_rows senders={} receivers={}", o.senders, o.receivers);
  }
  std::string operator()(const ExactSparse& o) const {
    return fmt::format("exact_sparse senders={} receivers={}", o.senders, o.receivers);
  }
  std::string operator()(const AdvanceSparse& o) const {
    return fmt::format("advance_sparse senders={} receivers={}", o.senders, o.receivers);
  }
  std::string operator()(const Update& o) const {
    return fmt::format(
        "update_{} rule={} u={} v={} u_a={} u_b={} v_a={} v_b={} senders={} receivers={} fixed_diagonal={:d} "
        "kept_bits={}",
        o.sparse ? "sparse" : "dense", static_cast<int>(o.rule), static_cast<int>(o.u), static_cast<int>(o.v),
        bits_of(o.u_a), bits_of(o.u_b), bits_of(o.v_a), bits_of(o.v_b), o.senders, o.receivers,
        o.fixed_diagonal, o.kept_bits);
  }
};

Summands summands_of(const Step& step, const Plan& plan) {
  const auto count = [&](Storage storage) {
    return std::count_if(step.inputs.begin(), step.inputs.end(),
                         [&](SlotId s) { return plan.slot(s).storage == storage; });
  };
  return {count(Storage::fields), count(Storage::field_rows) + plan.threads * count(Storage::partial_rows)};
}

Generated one(Operation operation) { return {{operation}, ""}; }
Generated none(std::string why) { return {{}, std::move(why)}; }

/// Offsets of panels and entries are 32-bit in gathers, and bytes of a unit's lanes are 64 apart.
constexpr std::int64_t most_units = std::int64_t{1} << 24;

/// Operands of a call are limited (runtime/executor/generated_step.hpp).
constexpr std::int64_t most_messages = 32;

Generated margin(const Step& step, const Plan& plan) {
  const Slot& target = plan.slot(margin_target(plan, step));
  const std::int64_t units = target.type.units();
  const Summands messages = summands_of(step, plan);
  if (target.storage == Storage::signs) return one(SignError{units, messages});
  return one(PairError{units, messages, target.type.a, target.type.b, plan.fixed_bits});
}

RealSender real_sender(const Slot& from) {
  RealSender x{sender_kind(from.storage), 0, 0, 1};
  if (x.kind == Sender::Kind::signs) x.a = 1, x.b = -1;
  if (x.kind == Sender::Kind::pair) x.a = from.type.a, x.b = from.type.b;
  if (x.kind == Sender::Kind::bytes) x.scale = from.type.scale;
  return x;
}

Generated real(const Step& step, const Plan& plan) {
  const RealSender x = real_sender(plan.slot(step.inputs[0]));
  const Slot& w = plan.slot(step.inputs[1]);
  const std::int64_t senders = w.type.dims[0].length, receivers = w.type.dims[1].length;
  if (w.storage == Storage::columns) return one(RealSparse{senders, receivers, x});
  return one(RealDense{senders, receivers, x});
}

/// A whole message, a change of one, or whichever costs less.
Generated exact(const Step& step, const Plan& plan) {
  const Slot& q = plan.slot(message_weight(step));
  const std::int64_t senders = q.type.dims[0].length, receivers = q.type.dims[1].length;
  const bool sparse = q.storage == Storage::columns_fixed;
  const auto add = [&](Generated& to, Operation if_sparse, Operation if_dense) {
    to.operations.push_back(sparse ? if_sparse : if_dense);
  };
  Generated result;
  if (step.kernel != Kernel::advance)
    add(result, ExactSparse{senders, receivers}, ExactRows{senders, receivers});
  if (step.kernel != Kernel::exact)
    add(result, AdvanceSparse{senders, receivers}, AdvanceRows{senders, receivers});
  return result;
}

/// Whether the kernel table's update is the faster one: of dense weights where S is counted from bits, of
/// sparse ones under plain descent. Nothing in these loops depends on a shape.
bool table_updates_faster(const Update& o) {
  return o.sparse ? o.rule == StepRule::sgd : counts_bits(arithmetic_of(o.u, o.v));
}

Generated update(const Step& step, const Plan& plan) {
  const auto& attributes = std::get<ApplyAttributes>(step.attributes);
  const std::vector<Correlated> correlations = correlations_of(step);
  const Slot& weight = plan.slot(step.inputs[0]);
  const Slot& u = plan.slot(correlations[0].u);
  const Slot& v = plan.slot(correlations[0].v);
  Update o{};
  o.rule = rule_of(attributes.rule);
  o.u = sender_kind(u.storage);
  o.v = error_kind(v.storage);
  if (o.u == Sender::Kind::pair) o.u_a = u.type.a, o.u_b = u.type.b;
  if (o.v == Errors::Kind::pair) o.v_a = v.type.a, o.v_b = v.type.b;
  o.senders = weight.type.dims[0].length;
  o.receivers = weight.type.dims[1].length;
  o.sparse = weight.storage == Storage::columns;
  const Entries& entries = weight.type.entries;
  o.fixed_diagonal =
      entries.kind == Entries::Kind::offdiag ||
      (o.sparse && plan.patterns.at(static_cast<std::size_t>(entries.pattern.index)).fixed_diagonal);
  if (kept_by(step).index >= 0) o.kept_bits = plan.fixed_bits;
  const Arithmetic how = arithmetic_of(o.u, o.v);
  if (correlations.size() == 2 && how != Arithmetic::signs && how != Arithmetic::bytes)
    return none("S of two phases that isn't one count: the kernel table's update");
  if (table_updates_faster(o)) return none("the kernel table's update is faster");
  return one(o);
}

Generated operations_for(const Step& step, const Plan& plan) {
  const auto units = [&](SlotId s) { return plan.slot(s).type.units(); };
  switch (step.kernel) {
    case Kernel::quantise: return one(Quantise{plan.fixed_bits});
    case Kernel::to_fields: return one(ToFields{units(step.outputs[0]), plan.fixed_bits});
    case Kernel::sum: return one(Sum{units(step.outputs[0]), summands_of(step, plan)});
    case Kernel::sign: return one(Sign{units(step.outputs[0]), summands_of(step, plan)});
    case Kernel::margin: return margin(step, plan);
    case Kernel::turn:
      return one(Turn{units(step.outputs[0]), plan.slot(step.outputs[0]).storage == Storage::field_rows});
    case Kernel::real: return real(step, plan);
    case Kernel::affine: return one(Affine{units(step.outputs[0]), real_sender(plan.slot(step.inputs[0]))});
    case Kernel::exact:
    case Kernel::advance:
    case Kernel::follow: return exact(step, plan);
    case Kernel::update: return update(step, plan);
    case Kernel::correlate:
    case Kernel::subtract:
    case Kernel::apply: return none("S is stored: the kernel table correlates and applies");
    case Kernel::to_reals:
    case Kernel::hits: return none("a few numbers of the output");
    case Kernel::reference: return none("the interpreter runs it");
    default: return {};
  }
}

}  // namespace

std::string text_of(const Operation& operation) { return std::visit(Text{}, operation); }

Generated operations_of(const Step& step, const Plan& plan, Isa isa) {
  if (step.kernel == Kernel::scan || step.kernel == Kernel::loop) return {};
  for (const auto* slots : {&step.inputs, &step.outputs}) {
    for (const SlotId s : *slots) {
      for (const Dim& d : plan.slot(s).type.dims) {
        if (!d.is_symbolic() && d.length > most_units)
          return none("more units than offsets of 32 bits reach");
      }
    }
  }
  if (summands_of(step, plan).count() > most_messages)
    return none("more messages than are summed in registers");
  Generated generated = operations_for(step, plan);
  for (const Operation& operation : generated.operations) {
    const bool fused = std::holds_alternative<RealDense>(operation) ||
                       std::holds_alternative<RealSparse>(operation) ||
                       std::holds_alternative<Update>(operation);
    if (fused && isa == Isa::x86_64)
      return none("x86-64 has no fused multiply-add: the kernel table emulates it");
  }
  return generated;
}

}  // namespace relaxon::jit
