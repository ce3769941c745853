// Steps that run generated functions. Each keeps the kernel table's step beside it, for what no function is
// generated for: int64 fields, senders that are 0, numbers that don't fit (to name them).
#include <algorithm>
#include <array>
#include <bit>
#include <mutex>

#include "core/fixed_point.hpp"
#include "runtime/executor/step.hpp"

namespace relaxon::executor {
namespace {

using jit::Function;

void* pointer(const void* p) { return const_cast<void*>(p); }

/// The operands of one call.
class Operands {
 public:
  Operands(std::initializer_list<void*> pointers) {
    for (void* p : pointers) add(p);
  }
  void add(void* p) { pointers_.at(count_++) = p; }
  void* const* data() const { return pointers_.data(); }

 private:
  std::array<void*, 16> pointers_;
  std::size_t count_ = 0;
};

/// A step with one function, beside the kernel table's.
class GeneratedStep : public Runnable {
 public:
  GeneratedStep(const Step& step, Function function, std::unique_ptr<Runnable> table)
      : function_(function), inputs_(step.inputs), outputs_(step.outputs), table_(std::move(table)) {}

  Sharing sharing() const override { return table_->sharing(); }
  void run(Context& c, ThreadPart part) final {
    if (!call(c, part)) table_->run(c, part);
  }
  bool finishes() const override { return table_->finishes(); }
  void finish(Context& c) override { table_->finish(c); }

 protected:
  /// Runs the function; false: the table's step must run. The same for all parts, or numbers that don't fit.
  virtual bool call(Context& c, ThreadPart part) = 0;

  std::int64_t invoke(const Context& c, const Operands& operands, Units units) const {
    return function_(operands.data(), c.frame.batch, units.begin, units.end);
  }

  Function function_;
  std::vector<SlotId> inputs_, outputs_;
  std::unique_ptr<Runnable> table_;
};

class QuantiseStep final : public GeneratedStep {
 public:
  using GeneratedStep::GeneratedStep;
  bool call(Context& c, ThreadPart part) override {
    const Place& w = c.place(inputs_[0]);
    return invoke(c, {w.data, c.place(outputs_[0]).data}, units_of(w.entries(), part)) < 0;
  }
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

/// The fields that a step adds up.
Operands messages_of(Context& c, const std::vector<SlotId>& inputs) {
  Operands operands{};
  for (const SlotId s : inputs) {
    if (c.place(s).slot->storage == Storage::fields) operands.add(c.place(s).data);
  }
  return operands;
}

/// Sums of fields, and their signs.
class SumStep final : public GeneratedStep {
 public:
  using GeneratedStep::GeneratedStep;
  bool call(Context& c, ThreadPart part) override {
    if (c.frame.wide) return false;
    const Place& out = c.place(outputs_[0]);
    Operands operands = messages_of(c, inputs_);
    if (out.slot->storage == Storage::fields) {
      operands.add(out.data);
    } else {
      operands.add(out.signs(c.frame).plus);
      operands.add(out.signs(c.frame).minus);
    }
    invoke(c, operands, units_of(out.units, part));
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
    operands.add(
        pointer(t.slot->storage == Storage::pair ? c.place(inputs_.back()).tensor->raw() : margins(c, part)));
    operands.add(errors.plus);
    operands.add(errors.minus);
    invoke(c, operands, units_of(t.units, part));
    return true;
  }

 private:
  struct Prepared {
    std::vector<std::int32_t> margins;
    std::uint64_t run = 0;
  };
  /// Margins are bindings, the same for a whole run. No field reaches the bound they are cut to.
  const void* margins(Context& c, ThreadPart part) {
    Prepared& own = prepared_[static_cast<std::size_t>(part.index)];
    if (own.run == c.frame.run) return own.margins.data();
    own.run = c.frame.run;
    own.margins.clear();
    for (const float m : c.place(inputs_.back()).tensor->data<float>()) {
      const std::int64_t fixed = threshold_to_fixed(m, c.plan.fixed_bits);
      own.margins.push_back(
          static_cast<std::int32_t>(std::clamp<std::int64_t>(fixed, -INT32_MAX, INT32_MAX)));
    }
    return own.margins.data();
  }

  SlotId target_;
  std::vector<Prepared> prepared_;
};

/// What a ColumnStream needs of a pattern, made again when the pattern is another one.
class PatternStream {
 public:
  explicit PatternStream(jit::ColumnStream kind) : kind_(kind) {}

  /// For any thread.
  void* data(const ColumnIndex& index, Isa isa) {
    const std::lock_guard lock(mutex_);
    if (index_ != &index) prepare(index, jit::ColumnStream::tile(isa));
    return kind_.short_indices() ? pointer(short_stream_.data()) : pointer(stream_.data());
  }

 private:
  void prepare(const ColumnIndex& index, std::int64_t tile) {
    index_ = &index;
    stream_.clear();
    for (std::int64_t first = 0; first < index.receivers; first += unit_block) {
      const std::int64_t last = std::min(index.receivers, first + unit_block);
      std::int64_t k = first;
      for (; k + tile <= last; k += tile) append_tile(k, tile);
      for (; k < last; ++k) append_tile(k, 1);
    }
    if (kind_.short_indices()) short_stream_.assign(stream_.begin(), stream_.end());
  }

  std::int32_t length(std::int32_t k) const {
    return index_->offsets[static_cast<std::size_t>(k) + 1] - index_->offsets[static_cast<std::size_t>(k)];
  }
  void append_tile(std::int64_t first, std::int64_t columns) {
    const std::int32_t* column = index_->order.data() + first;
    const std::int32_t together = length(column[0]);
    for (std::int32_t i = 0; i < together; ++i) {
      for (std::int64_t c = 0; c < columns; ++c) append(column[c], i);
    }
    for (std::int64_t c = 0; c < columns; ++c) {
      for (std::int32_t i = together; i < length(column[c]); ++i) append(column[c], i);
    }
  }
  void append(std::int32_t column, std::int32_t i) {
    const auto entry = static_cast<std::size_t>(index_->offsets[static_cast<std::size_t>(column)] + i);
    stream_.push_back(index_->sender[entry] * static_cast<std::int32_t>(kind_.unit));
  }

  jit::ColumnStream kind_;
  std::mutex mutex_;
  const ColumnIndex* index_ = nullptr;
  std::vector<std::int32_t> stream_;
  std::vector<std::uint16_t> short_stream_;
};

class RealSparseStep final : public GeneratedStep {
 public:
  RealSparseStep(const Step& step, Function function, std::unique_ptr<Runnable> table,
                 const jit::RealSparse& operation)
      : GeneratedStep(step, function, std::move(table)), stream_(operation.stream()) {}

  /// The table's step waits for numbers that aren't made here.
  Sharing sharing() const override {
    return table_->sharing() == Sharing::team ? Sharing::parts : table_->sharing();
  }
  bool call(Context& c, ThreadPart part) override {
    const Place& w = c.place(inputs_[1]);
    const ColumnIndex& index = *w.index;
    invoke(c,
           {w.data, pointer(index.offsets.data()), stream_.data(index, c.isa), pointer(index.order.data()),
            c.place(inputs_[0]).data, c.place(outputs_[0]).data},
           units_of(w.receivers, part));
    return true;
  }

 private:
  PatternStream stream_;
};

/// A whole exact message.
class ExactSparse {
 public:
  ExactSparse(Function function, const jit::ExactSparse& operation)
      : function_(function), stream_(operation.stream()) {}

  /// False: some sender is 0.
  bool call(const Context& c, const Place& q, const Place& x, std::byte* h, ThreadPart part) {
    if (!c.kernels.all_signs(x.signs_in(c.frame), x.units, c.frame.batch)) return false;
    const ColumnIndex& index = *q.index;
    const Operands operands{q.data,
                            pointer(index.offsets.data()),
                            stream_.data(index, c.isa),
                            pointer(index.order.data()),
                            x.data,
                            h};
    const Units units = units_of(q.receivers, part);
    function_(operands.data(), c.frame.batch, units.begin, units.end);
    return true;
  }

 private:
  Function function_;
  PatternStream stream_;
};

class ExactSparseStep final : public GeneratedStep {
 public:
  ExactSparseStep(const Step& step, Function function, std::unique_ptr<Runnable> table,
                  const jit::ExactSparse& operation)
      : GeneratedStep(step, function, std::move(table)), whole_(function, operation) {}

  bool call(Context& c, ThreadPart part) override {
    return !c.frame.wide &&
           whole_.call(c, c.place(inputs_[1]), c.place(inputs_[0]), c.place(outputs_[0]).data, part);
  }

 private:
  ExactSparse whole_;
};

/// A change of a message by the senders that differ, or, where the plan allows it and so many do that it
/// costs less, the whole message.
class AdvanceSparseStep final : public GeneratedStep {
 public:
  AdvanceSparseStep(const Step& step, Function difference, std::unique_ptr<Runnable> table,
                    std::unique_ptr<ExactSparse> whole)
      : GeneratedStep(step, difference, std::move(table)),
        whole_from_(step.whole_from),
        whole_(std::move(whole)) {}

  bool call(Context& c, ThreadPart part) override {
    if (c.frame.wide) return false;
    const Place& q = c.place(inputs_[3]);
    std::byte* h = c.place(outputs_[0]).data;
    const SignsIn a = c.place(inputs_[1]).signs_in(c.frame), b = c.place(inputs_[2]).signs_in(c.frame);
    if (whole_ && wants_whole(c, q, whole_from_, changes_of(c, q, a, b)) &&
        whole_->call(c, q, c.place(inputs_[2]), h, part))
      return true;
    const SenderIndex rows = q.index->rows(part);
    invoke(c,
           {q.data, pointer(rows.first), pointer(rows.last), pointer(rows.receiver), pointer(rows.entry),
            pointer(a.plus), pointer(a.minus), pointer(b.plus), pointer(b.minus), h},
           units_of(q.receivers, part));
    return true;
  }

 private:
  std::int64_t whole_from_;
  std::unique_ptr<ExactSparse> whole_;
};

class UpdateStep final : public GeneratedStep {
 public:
  UpdateStep(const Step& step, Function function, std::unique_ptr<Runnable> table,
             const jit::Update& operation, int threads)
      : GeneratedStep(step, function, std::move(table)),
        operation_(operation),
        report_(update_reporter(step)),
        moments_(inputs_.size() - 4),
        own_(static_cast<std::size_t>(threads)) {}

  bool call(Context& c, ThreadPart part) override {
    const Place& w = c.place(inputs_[0]);
    const Place& u = c.place(inputs_[moments_ + 1]);
    const Place& v = c.place(inputs_[moments_ + 2]);
    const Frame& f = c.frame;
    Own& own = own_[static_cast<std::size_t>(part.index)];
    own.ran = operation_.u != Sender::Kind::signs || c.kernels.all_signs(u.signs_in(f), u.units, f.batch);
    if (!own.ran) return false;
    const auto moment = [&](std::size_t i) { return i < moments_ ? c.place(inputs_[i + 1]).data : nullptr; };
    const bool u_masks = operation_.u == Sender::Kind::signs || operation_.u == Sender::Kind::pair;
    const bool v_masks = operation_.v != Errors::Kind::real;
    const Units units = w.index ? units_of(w.receivers, part)
                                : Units{w.senders, w.senders * part.index / part.count,
                                        w.senders * (part.index + 1) / part.count};
    invoke(c,
           {w.data, moment(0), moment(1), w.index ? pointer(w.index->offsets.data()) : nullptr,
            w.index ? pointer(w.index->sender.data()) : nullptr, u.data,
            u_masks ? pointer(u.signs_in(f).minus) : nullptr, v.data,
            v_masks ? pointer(v.signs_in(f).minus) : nullptr, pointer(c.place(inputs_.back()).tensor->raw()),
            own.report.data(), scratch(own, w, f)},
           units);
    return true;
  }

  bool finishes() const override { return true; }
  void finish(Context& c) override {
    if (!own_[0].ran) return table_->finish(c);
    std::array<std::int32_t, 2> all{};
    for (Own& own : own_) {
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = std::max(all[i], own.report[i]);
      own.report = {};  // the next step may have fewer parts
    }
    constexpr std::int32_t infinity = 0x7f800000;
    report_(c, {std::bit_cast<float>(all[0]), all[1] < infinity});
  }

 private:
  /// Of each part.
  struct Own {
    bool ran = false;
    std::array<std::int32_t, 2> report{};
    std::vector<float> scratch;
  };
  void* scratch(Own& own, const Place& w, const Frame& f) const {
    if (w.index) return nullptr;
    const auto floats =
        static_cast<std::size_t>(update_scratch(operation_.u, operation_.v, f.panels, w.stride));
    if (own.scratch.size() < floats) own.scratch.resize(floats);
    return own.scratch.data();
  }

  jit::Update operation_;
  std::function<void(Context&, const UpdateReport&)> report_;
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
  const Function function = context.code->find(operations.back());
  switch (step.kernel) {
    case Kernel::quantise: return std::make_unique<QuantiseStep>(step, function, std::move(table));
    case Kernel::to_fields: return std::make_unique<ToFieldsStep>(step, function, std::move(table));
    case Kernel::sum:
    case Kernel::sign: return std::make_unique<SumStep>(step, function, std::move(table));
    case Kernel::margin: return std::make_unique<MarginStep>(step, function, std::move(table), context);
    case Kernel::real:
      return std::make_unique<RealSparseStep>(step, function, std::move(table),
                                              std::get<jit::RealSparse>(operations.back()));
    case Kernel::exact:
      return std::make_unique<ExactSparseStep>(step, function, std::move(table),
                                               std::get<jit::ExactSparse>(operations.back()));
    case Kernel::advance:
    case Kernel::follow: {
      std::unique_ptr<ExactSparse> whole;
      if (const auto* exact = std::get_if<jit::ExactSparse>(&operations.front()))
        whole = std::make_unique<ExactSparse>(context.code->find(*exact), *exact);
      return std::make_unique<AdvanceSparseStep>(step, function, std::move(table), std::move(whole));
    }
    case Kernel::update:
      return std::make_unique<UpdateStep>(step, function, std::move(table),
                                          std::get<jit::Update>(operations.back()), context.team.size());
    default: return table;
  }
}

}  // namespace relaxon::executor
