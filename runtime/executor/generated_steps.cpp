// Steps that run generated functions, messages apart.
#include <algorithm>
#include <array>
#include <bit>

#include "core/fixed_point.hpp"
#include "passes/plan/kept_weights.hpp"
#include "runtime/executor/generated_step.hpp"
#include "runtime/executor/joined_phases.hpp"
#include "runtime/executor/scratch.hpp"

namespace relaxon::executor {
namespace {

class QuantiseStep final : public GeneratedStep {
 public:
  QuantiseStep(const Step& step, Function function, std::unique_ptr<Runnable> table)
      : GeneratedStep(step, function, std::move(table)), fixed_(step) {}
  bool call(Context& c, ThreadPart part) override {
    if (fixed_.current(c)) return true;
    const Place& w = c.place(inputs_[0]);
    return invoke(c, {w.data, c.place(outputs_[0]).data}, units_of(w.entries(), part)) < 0;
  }

 private:
  KeptFixed fixed_;
};

class ToFieldsStep final : public GeneratedStep {
 public:
  using GeneratedStep::GeneratedStep;
  bool call(Context& c, ThreadPart part) override {
    if (c.frame.wide) return false;
    const Place& h = c.place(outputs_[0]);
    return invoke(c, {c.place(inputs_[0]).data, h.data}, units_of(h.units, part)) < 0;
  }
};

/// The fields that a step adds up: those by lane, then those by sample.
Operands messages_of(Context& c, const std::vector<SlotId>& inputs) {
  Operands operands{};
  for (const bool rows : {false, true}) {
    for (const SlotId s : inputs) {
      const Place& place = c.place(s);
      if (!holds_fields(place.slot->storage) || by_sample(place.slot->storage) != rows) continue;
      for (int share = 0; share < place.shares; ++share) operands.add(place.share(c.frame, share));
    }
  }
  return operands;
}

class SumStep final : public GeneratedStep {
 public:
  using GeneratedStep::GeneratedStep;
  bool call(Context& c, ThreadPart part) override {
    if (c.frame.wide) return false;
    const Place& out = c.place(outputs_[0]);
    Operands operands = messages_of(c, inputs_);
    operands.add(out.data);
    invoke(c, operands, units_of(out.units, part));
    return true;
  }
};

class SignStep final : public GeneratedStep {
 public:
  SignStep(const Step& step, Function function, std::unique_ptr<Runnable> table, const Context& c)
      : GeneratedStep(step, function, std::move(table)), state_(c.team.size()) {}
  bool call(Context& c, ThreadPart part) override {
    if (c.frame.wide) return false;
    const Place& out = c.place(outputs_[0]);
    state_.write(out, c.frame, part, [&](SignsOut signs) {
      Operands operands = messages_of(c, inputs_);
      operands.add(signs.plus);
      operands.add(signs.minus);
      invoke(c, operands, units_of(out.units, part));
    });
    return true;
  }

 private:
  SharedSigns state_;
};

class TurnStep final : public GeneratedStep {
 public:
  using GeneratedStep::GeneratedStep;
  bool call(Context& c, ThreadPart) override {
    if (c.frame.wide) return false;
    const Place& from = c.place(inputs_[0]);
    invoke(c, {from.data, c.place(outputs_[0]).data}, from.units);
    return true;
  }
};

class MarginStep final : public GeneratedStep {
 public:
  MarginStep(const Step& step, Function function, std::unique_ptr<Runnable> table, const Context& c)
      : GeneratedStep(step, function, std::move(table)),
        target_(margin_target(c.plan, step)),
        prepared_(static_cast<std::size_t>(c.team.size())) {}
  bool call(Context& c, ThreadPart part) override {
    if (c.frame.wide) return false;
    const Place& t = c.place(target_);
    const SignsIn target = t.signs_in(c.frame);
    const SignsOut errors = c.place(outputs_[0]).signs(c.frame);
    Operands operands = messages_of(c, inputs_);
    operands.add(pointer(target.plus));
    operands.add(pointer(target.minus));
    operands.add(pointer(margins(c, t, part)));
    operands.add(errors.plus);
    operands.add(errors.minus);
    invoke(c, operands, units_of(t.units, part));
    return true;
  }

 private:
  struct Prepared {
    std::vector<std::int32_t> margins;  // integers; of pairs, bits of floats
    std::uint64_t run = 0;
  };
  /// Margins are bindings, the same for a whole run. No field reaches the bound they are cut to, so that sums
  /// of both fit.
  const void* margins(Context& c, const Place& target, ThreadPart part) {
    Prepared& own = prepared_[static_cast<std::size_t>(part.index)];
    if (own.run == c.frame.run) return own.margins.data();
    own.run = c.frame.run;
    own.margins.clear();
    for (const float m : c.place(inputs_.back()).tensor->data<float>()) {
      const std::int64_t fixed =
          std::clamp<std::int64_t>(threshold_to_fixed(m, c.plan.fixed_bits), -(1 << 30), 1 << 30);
      const bool pair = target.slot->storage == Storage::pair;
      own.margins.push_back(pair ? std::bit_cast<std::int32_t>(m) : static_cast<std::int32_t>(fixed));
    }
    own.margins.resize(static_cast<std::size_t>(row_stride(target.units)));
    return own.margins.data();
  }

  SlotId target_;
  std::vector<Prepared> prepared_;
};

class UpdateStep final : public GeneratedStep {
 public:
  UpdateStep(const Step& step, Function function, std::unique_ptr<Runnable> table,
             const jit::Update& operation, int threads)
      : GeneratedStep(step, function, std::move(table)),
        operation_(operation),
        report_(update_reporter(step)),
        correlations_(correlations_of(step)),
        q_(kept_by(step)),
        moments_(outputs_.size() - (q_.index >= 0 ? 2 : 1)),
        own_(static_cast<std::size_t>(threads)) {}

  bool call(Context& c, ThreadPart part) override {
    const Place& w = c.place(inputs_[0]);
    Own& own = own_[static_cast<std::size_t>(part.index)];
    own.ran = never_0(c) &&
              (correlations_.size() == 1 || JoinedPhases::joins(operation_.u, operation_.v, c.frame.batch));
    if (!own.ran) return false;
    CorrelationSides sides = sides_of(c, correlations_[0]);
    std::int64_t panels = c.frame.panels;
    if (correlations_.size() == 2) {
      own.joined.join(sides, sides_of(c, correlations_[1]), correlations_[0].u == correlations_[1].u,
                      operation_.senders, operation_.receivers, c.frame.batch);
      sides = own.joined.sides();
      panels = own.joined.panels();
    }
    const auto moment = [&](std::size_t i) { return i < moments_ ? c.place(inputs_[i + 1]).data : nullptr; };
    const Units units = w.index ? units_of(w.receivers, part) : senders_of(w.senders, part);
    const Operands operands{w.data,
                            moment(0),
                            moment(1),
                            w.index ? pointer(w.index->offsets.data()) : nullptr,
                            w.index ? pointer(w.index->sender.data()) : nullptr,
                            pointer(first_of(sides.u)),
                            pointer(sides.u.signs.minus),
                            pointer(first_of(sides.v)),
                            pointer(sides.v.signs.minus),
                            pointer(c.place(inputs_.back()).tensor->raw()),
                            own.report.data(),
                            scratch(own, w, panels),
                            q_.index >= 0 ? c.place(q_).data : nullptr};
    function_(operands.data(), panels * lanes, units.begin, units.end);
    return true;
  }

  bool finishes() const override { return true; }
  void finish(Context& c) override {
    if (!own_[0].ran) return table_->finish(c);
    std::array<std::int32_t, 3> all{};
    for (Own& own : own_) {
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = std::max(all[i], own.report[i]);
      own.report = {};  // the next step may have fewer parts
    }
    constexpr std::int32_t infinity = 0x7f800000;
    report_(c, {std::bit_cast<float>(all[0]), all[1] < infinity, all[2] == 0});
  }

 private:
  /// Of each part.
  struct Own {
    bool ran = false;
    std::array<std::int32_t, 3> report{};
    Scratch scratch;
    JoinedPhases joined;
  };

  /// Whether senders that are signs are, in every sample.
  bool never_0(Context& c) const {
    if (operation_.u != Sender::Kind::signs) return true;
    return std::all_of(correlations_.begin(), correlations_.end(), [&](const Correlated& s) {
      const Place& u = c.place(s.u);
      return c.kernels.all_signs(u.signs_in(c.frame), u.units, c.frame.batch);
    });
  }
  static const void* first_of(const Sender& u) {
    switch (u.kind) {
      case Sender::Kind::bytes: return u.bytes;
      case Sender::Kind::real: return u.real;
      default: return u.signs.plus;
    }
  }
  static const void* first_of(const Errors& v) {
    if (v.kind == Errors::Kind::real) return v.real;
    return v.signs.plus;
  }

  void* scratch(Own& own, const Place& w, std::int64_t panels) const {
    if (w.index) return nullptr;
    return own.scratch.room_for<float>(update_scratch(operation_.u, operation_.v, panels, w.stride));
  }

  jit::Update operation_;
  std::function<void(Context&, const UpdateReport&)> report_;
  std::vector<Correlated> correlations_;
  SlotId q_;
  std::size_t moments_;
  std::vector<Own> own_;
};

}  // namespace

std::unique_ptr<Runnable> make_generated_step(const Step& step, Context& context,
                                              std::unique_ptr<Runnable> table) {
  // Statistics are counted by the table's steps.
  if (!context.code || context.statistics) return table;
  const auto operations = jit::operations_of(step, context.plan, context.isa).operations;
  if (operations.empty()) return table;
  if (auto message = make_generated_message(step, context, operations, table)) return message;
  const Function function = context.code->find(operations.back());
  switch (step.kernel) {
    case Kernel::quantise: return std::make_unique<QuantiseStep>(step, function, std::move(table));
    case Kernel::to_fields: return std::make_unique<ToFieldsStep>(step, function, std::move(table));
    case Kernel::sum: return std::make_unique<SumStep>(step, function, std::move(table));
    case Kernel::sign: return std::make_unique<SignStep>(step, function, std::move(table), context);
    case Kernel::margin: return std::make_unique<MarginStep>(step, function, std::move(table), context);
    case Kernel::turn: return std::make_unique<TurnStep>(step, function, std::move(table));
    case Kernel::update:
      return std::make_unique<UpdateStep>(step, function, std::move(table),
                                          std::get<jit::Update>(operations.back()), context.team.size());
    default: return table;
  }
}

}  // namespace relaxon::executor
