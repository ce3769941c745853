#include "passes/plan/verify.hpp"

#include <algorithm>
#include <set>

#include "core/error.hpp"
#include "ir/op_info.hpp"
#include "passes/plan/followed_samples.hpp"
#include "passes/plan/kept_weights.hpp"
#include "passes/plan/partial_rows.hpp"
#include "passes/plan/sharing.hpp"
#include "passes/plan/signature.hpp"
#include "passes/plan/text_form.hpp"

namespace relaxon {
namespace {

std::string_view name_of(Storage s) { return name_in(storage_names, s); }

/// Walks a plan in the order its steps run and are printed.
class Verifier {
 public:
  explicit Verifier(const Plan& plan) : plan_(plan), defined_(plan.slots.size(), false) {}

  void run() {
    for (std::size_t i = 0; i < plan_.slots.size(); ++i) check_slot(SlotId{static_cast<std::int32_t>(i)});
    for (const Plan::Port& p : plan_.bindings) {
      check_port("binding", p);
      mention(p.slot);
      defined_[index(p.slot)] = true;
    }
    walk(plan_.steps);
    for (const Plan::Port& p : plan_.results) {
      check_port("result", p);
      if (!defined_[index(p.slot)])
        fail_at(fmt::format("result \"{}\": nothing writes {}", p.name, name(p.slot)));
      mention(p.slot);
    }
  }

 private:
  static std::size_t index(SlotId id) { return static_cast<std::size_t>(id.index); }
  const Slot& slot(SlotId id) const { return plan_.slots[index(id)]; }
  std::string name(SlotId id) const { return slot_names(plan_)[index(id)]; }

  [[noreturn]] void fail_at(const std::string& what) const { fail("plan {}: {}", plan_.name, what); }

  /// The step at hand, "step 12 (%s1 = sign)".
  [[noreturn]] void fail_step(const std::string& what) const {
    std::string results;
    for (const SlotId id : step_->outputs) {
      const bool known = id.index >= 0 && index(id) < plan_.slots.size();
      results += fmt::format("{}{}", results.empty() ? "" : ", ", known ? name(id) : "%?");
    }
    fail_at(fmt::format("step {} ({}{}{}): {}", position_, results, results.empty() ? "" : " = ",
                        name_in(kernel_names, step_->kernel), what));
  }

  void check_slot(SlotId id) const {
    const Slot& s = slot(id);
    const Entries& entries = s.type.entries;
    if (entries.kind == Entries::Kind::sparse &&
        (entries.pattern.index < 0 ||
         static_cast<std::size_t>(entries.pattern.index) >= plan_.patterns.size()))
      fail_at(fmt::format("slot {} has pattern {} of {}", name(id), entries.pattern.index,
                          plan_.patterns.size()));
    const Storages legal = storages_for(s.type);
    if (!legal.contains(s.storage))
      fail_at(fmt::format("slot {} : {} lies as {}; expected {}", name(id),
                          to_string(s.type, plan_.pattern_names()), name_of(s.storage), legal.text()));
  }

  void check_port(std::string_view what, const Plan::Port& port) const {
    if (port.slot.index < 0 || index(port.slot) >= plan_.slots.size())
      fail_at(
          fmt::format("{} \"{}\" names slot {} of {}", what, port.name, port.slot.index, plan_.slots.size()));
    if (slot(port.slot).storage != Storage::tensor)
      fail_at(fmt::format("{} \"{}\": {} lies as {}; expected tensor", what, port.name, name(port.slot),
                          name_of(slot(port.slot).storage)));
  }

  /// A slot is used at the position at hand.
  void mention(SlotId id) {
    const Slot& s = slot(id);
    if (s.first > position_ || s.last < position_)
      fail_at(fmt::format("slot {} is used at {}, but live {} to {}", name(id), position_, s.first, s.last));
    for (std::set<SlotId>& body : mentioned_) body.insert(id);
  }

  void read(SlotId id) {
    if (!defined_[index(id)]) fail_step(fmt::format("{} is read before anything writes it", name(id)));
    mention(id);
  }

  void write(SlotId id) {
    mention(id);
    defined_[index(id)] = true;
  }

  void walk(const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      ++position_;
      step_ = &step;
      check_ids();
      check_form();
      check_storages();
      check_attributes();
      check_shapes();
      check_choices();
      for (const SlotId id : step.inputs) read(id);
      if (has_body(step.kernel)) {
        iterate(step);
      } else {
        for (const SlotId id : step.outputs) write(id);
      }
    }
  }

  void check_ids() const {
    for (const auto* ids : {&step_->inputs, &step_->outputs, &step_->arguments, &step_->yielded}) {
      for (const SlotId id : *ids) {
        if (id.index < 0 || index(id) >= plan_.slots.size())
          fail_step(fmt::format("slot {} of {}", id.index, plan_.slots.size()));
      }
    }
  }

  /// Which parts of a step there are; what is written in place.
  void check_form() const {
    const Step& s = *step_;
    if (has_body(s.kernel)) return check_carries();
    if (!s.body.empty() || !s.arguments.empty() || !s.yielded.empty())
      fail_step("it has a body; expected one of scan and loop alone");
    for (std::size_t i = 0; i < s.outputs.size(); ++i) {
      const bool read = std::count(s.inputs.begin(), s.inputs.end(), s.outputs[i]) > 0;
      if (!in_place(s.kernel) && read)
        fail_step(
            fmt::format("{} is read and written; this kernel doesn't work in place", name(s.outputs[i])));
      if (in_place(s.kernel) && !keeps(i) && (i >= s.inputs.size() || s.inputs[i] != s.outputs[i]))
        fail_step(fmt::format("{} is written; expected input {}: this kernel works in place",
                              name(s.outputs[i]), i + 1));
      if (std::count(s.outputs.begin(), s.outputs.end(), s.outputs[i]) > 1)
        fail_step(fmt::format("{} is written twice", name(s.outputs[i])));
    }
  }

  /// Whether output i is the q that an update leaves.
  bool keeps(std::size_t i) const {
    const bool updates = step_->kernel == Kernel::update || step_->kernel == Kernel::apply;
    return updates && std::holds_alternative<ApplyAttributes>(step_->attributes) &&
           kept_by(*step_) == step_->outputs[i];
  }

  void check_carries() const {
    const Step& s = *step_;
    const std::size_t first = s.kernel == Kernel::loop ? 1 : 0, carries = s.outputs.size();
    if (s.inputs.size() != carries + 1 || s.arguments.size() != carries + first ||
        s.yielded.size() != carries)
      fail_step(fmt::format("{} inputs, {} arguments, {} outputs, {} yielded", s.inputs.size(),
                            s.arguments.size(), carries, s.yielded.size()));
    for (std::size_t c = 0; c < carries; ++c) {
      const SlotId carry = s.outputs[c];
      if (s.arguments[first + c] != carry)
        fail_step(fmt::format("carry {} is argument {} but output {}", c, name(s.arguments[first + c]),
                              name(carry)));
      for (const SlotId other : {s.inputs[c + 1], s.yielded[c]}) {
        if (slot(other).storage != slot(carry).storage || slot(other).type.dims != slot(carry).type.dims)
          fail_step(fmt::format("carry {} and {} don't lie alike", name(carry), name(other)));
        const bool another = other != carry && std::count(s.outputs.begin(), s.outputs.end(), other) > 0;
        if (another)
          fail_step(
              fmt::format("{} goes to {}, but is a carry that is written too", name(other), name(carry)));
      }
    }
    const auto* scan = std::get_if<ScanAttributes>(&s.attributes);
    for (const std::int32_t c : scan ? scan->until_unchanged : std::vector<std::int32_t>{}) {
      if (c < 0 || static_cast<std::size_t>(c) >= carries)
        fail_step(fmt::format("it ends once carry {} of {} stays as it is", c, carries));
    }
  }

  void check_storages() const {
    const Signature expected = signature_of(plan_, *step_);
    check_storages("input", expected.inputs, step_->inputs);
    check_storages("output", expected.outputs, step_->outputs);
    const bool moves = step_->kernel == Kernel::load || step_->kernel == Kernel::store;
    if (moves && slot(step_->inputs[0]).storage == slot(step_->outputs[0]).storage)
      fail_step(fmt::format("{} and {} both lie as tensor", name(step_->inputs[0]), name(step_->outputs[0])));
  }
  void check_storages(std::string_view what, const std::vector<Storages>& expected,
                      const std::vector<SlotId>& given) const {
    if (given.size() != expected.size())
      fail_step(fmt::format("{} {}s; expected {}", given.size(), what, expected.size()));
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (!expected[i].contains(slot(given[i]).storage))
        fail_step(fmt::format("{} {} is {} in {}; expected {}", what, i + 1, name(given[i]),
                              name_of(slot(given[i]).storage), expected[i].text()));
    }
  }

  void check_attributes() const {
    const Step& s = *step_;
    const bool moves = s.kernel != Kernel::reference && usual_op(s.kernel) == Step{}.op;
    const bool none = std::holds_alternative<std::monostate>(s.attributes);
    if (!(moves && none) && s.attributes.index() != info(s.op).attributes)
      fail_step(fmt::format("the attributes aren't those of {}", info(s.op).name));
    if (!moves && s.op != usual_op(s.kernel).value_or(s.op))
      fail_step(fmt::format("it computes {}; expected {}", info(s.op).name, info(*usual_op(s.kernel)).name));
    const bool fused = s.kernel == Kernel::update;
    if (fused != std::holds_alternative<CorrelateAttributes>(s.region) ||
        (!fused && !std::holds_alternative<std::monostate>(s.region)))
      fail_step(fused ? "no correlation; expected one before an optimizer's step"
                      : "attributes of a first op; expected them of update alone");
  }

  void check_shapes() const {
    const Step& s = *step_;
    const std::vector<SlotId>& in = s.inputs;
    switch (s.kernel) {
      case Kernel::copy:
      case Kernel::load:
      case Kernel::store:
      case Kernel::turn:
      case Kernel::quantise:
      case Kernel::subtract:
      case Kernel::apply: return check_dims();
      case Kernel::real:
        if (const SlotId seen = followed_senders(s); seen.index >= 0)
          check_connection(seen, in[1], s.outputs[0]);
        return check_connection(in[0], in[1], s.outputs[0]);
      case Kernel::exact: return check_connection(in[0], in[1], s.outputs[0]);
      case Kernel::advance:
      case Kernel::follow:
        check_connection(in[1], in[3], in[0]);
        check_connection(in[2], in[3], in[0]);
        return check_base();
      case Kernel::correlate: return check_connection(in[0], s.outputs[0], in[1]);
      case Kernel::update:
        for (const Correlated& c : correlations_of(s)) check_connection(c.u, in[0], c.v);
        return;
      case Kernel::to_fields:
      case Kernel::to_reals:
      case Kernel::affine:
      case Kernel::sum:
      case Kernel::sign:
      case Kernel::margin: return check_units();
      default: return;
    }
  }

  /// What the message of a follow is added to.
  void check_base() const {
    const SlotId base = follow_base(*step_);
    if (base.index < 0) return;
    if (base == step_->outputs[0])
      fail_step(fmt::format("{} lies below what is added to it; expected other fields", name(base)));
    check_connection(step_->inputs[1], step_->inputs[3], base);
  }

  /// All that aren't scalars of the step have one shape.
  void check_dims() const {
    const SlotId out = step_->outputs.at(0);
    const std::size_t scalars = step_->kernel == Kernel::apply ? 1 : 0;
    for (std::size_t i = 0; i + scalars < step_->inputs.size(); ++i) {
      const SlotId id = step_->inputs[i];
      if (slot(id).type.dims != slot(out).type.dims)
        fail_step(fmt::format("{} has shape {}, {} has {}", name(id), to_string(slot(id).type.dims),
                              name(out), to_string(slot(out).type.dims)));
    }
  }

  void check_units() const {
    const SlotId out = step_->outputs.at(0);
    for (const SlotId id : step_->inputs) {
      if (slot(id).storage != Storage::tensor && slot(id).type.units() != slot(out).type.units())
        fail_step(fmt::format("{} has {} units, {} has {}", name(id), slot(id).type.units(), name(out),
                              slot(out).type.units()));
    }
  }

  void check_connection(SlotId sender, SlotId weight, SlotId receiver) const {
    const Dims& dims = slot(weight).type.dims;
    const auto check = [&](SlotId id, std::int64_t expected, std::string_view what) {
      if (slot(id).type.units() != expected)
        fail_step(fmt::format("{} has {} units; expected {}, the {} of {}", name(id), slot(id).type.units(),
                              expected, what, name(weight)));
    };
    check(sender, dims.at(0).length, "senders");
    check(receiver, dims.at(1).length, "receivers");
  }

  void check_choices() const {
    const Step& s = *step_;
    const bool follows = s.kernel == Kernel::follow;
    const std::int64_t most = follows ? slot(s.inputs[3]).type.dims.at(0).length : 0;
    if (s.whole_from < 0 || s.whole_from > most)
      fail_step(follows ? fmt::format("whole from {}; expected 0 to {}", s.whole_from, most)
                        : fmt::format("whole from {}; expected it of follow alone", s.whole_from));
    if (s.kept && (s.kernel != Kernel::quantise || slot(s.outputs[0]).storage != Storage::dense_fixed))
      fail_step("kept; expected it of quantise of a dense weight alone");
    if (s.threads == Threads::senders && is_dense_message(plan_, s)) {
      const std::int64_t senders = slot(message_weight(s)).type.dims.at(0).length;
      if (senders < plan_.threads)
        fail_step(fmt::format("{} threads share {} senders", plan_.threads, senders));
    }
    if (s.threads != Threads::one && s.threads != way_to_share(plan_, s))
      fail_step(fmt::format("threads can't share it by {}", name_in(threads_names, s.threads)));
  }

  void iterate(const Step& loop) {
    for (const SlotId id : loop.arguments) write(id);
    const std::vector<bool> outside = defined_;
    mentioned_.emplace_back();
    walk(loop.body);
    ++position_;
    step_ = &loop;
    for (const SlotId id : loop.yielded) read(id);
    for (const SlotId id : loop.outputs) mention(id);
    const std::set<SlotId> used = std::move(mentioned_.back());
    mentioned_.pop_back();
    // What comes from outside is read in every iteration.
    for (const SlotId id : used) {
      if (outside[index(id)]) mention(id);
    }
    defined_ = outside;
  }

  const Plan& plan_;
  std::vector<bool> defined_;
  std::vector<std::set<SlotId>> mentioned_;  // in the bodies around
  const Step* step_ = nullptr;
  std::int32_t position_ = 0;
};

}  // namespace

void verify(const Plan& plan) { Verifier(plan).run(); }

}  // namespace relaxon
