// Steps that run generated functions. Each keeps the kernel table's step beside it, for what no function is
// generated for: int64 fields, senders that are 0, numbers that don't fit (to name them).
#include <algorithm>
#include <array>
#include <bit>

#include "core/fixed_point.hpp"
#include "runtime/executor/step.hpp"

namespace relaxon::executor {
namespace {

using jit::Function;
using Operands = std::vector<void*>;

void* pointer(const void* p) { return const_cast<void*>(p); }

/// Whether every sample's units are +1 or -1.
bool all_signs(const Place& x, const Frame& f) {
  const SignsIn s = x.signs_in(f);
  for (std::int64_t p = 0; p < f.panels; ++p) {
    const Mask* plus = s.plus + p * x.units;
    const Mask* minus = s.minus + p * x.units;
    const Mask active = active_lanes(f.batch, p);
    Mask missing = 0;
    for (std::int64_t j = 0; j < x.units; ++j)
      missing = static_cast<Mask>(missing | (active & ~(plus[j] | minus[j])));
    if (missing != 0) return false;
  }
  return true;
}

/// Whether both planes of a state are 0, as at the start of a batch.
bool all_zeros(const Place& x, const Frame& f) {
  const SignsIn s = x.signs_in(f);
  const std::int64_t n = 2 * f.panels * x.units;  // the planes lie one after the other
  constexpr std::int64_t block = 256;
  for (std::int64_t i = 0; i < n; i += block) {
    Mask any = 0;
    for (std::int64_t j = i; j < std::min(n, i + block); ++j) any = static_cast<Mask>(any | s.plus[j]);
    if (any != 0) return false;
  }
  return true;
}

/// A step with one function.
class GeneratedStep : public Runnable {
 public:
  GeneratedStep(const Step& step, Function function, std::unique_ptr<Runnable> table)
      : function_(function), table_(std::move(table)), inputs_(step.inputs), outputs_(step.outputs) {}

  void run(Context& c) final {
    if (!call(c)) table_->run(c);
  }

 protected:
  /// Runs the function; false: the table's step must run.
  virtual bool call(Context& c) = 0;

  std::int64_t invoke(Context& c, std::int64_t units) {
    return function_(operands_.data(), c.frame.batch, 0, units);
  }

  Function function_;
  std::unique_ptr<Runnable> table_;
  std::vector<SlotId> inputs_, outputs_;
  Operands operands_;
};

class QuantiseStep final : public GeneratedStep {
 public:
  using GeneratedStep::GeneratedStep;
  bool call(Context& c) override {
    const Place& w = c.place(inputs_[0]);
    operands_ = {w.data, c.place(outputs_[0]).data};
    return invoke(c, w.entries()) < 0;
  }
};

class ToFieldsStep final : public GeneratedStep {
 public:
  using GeneratedStep::GeneratedStep;
  bool call(Context& c) override {
    if (c.frame.wide) return false;
    const Place& h = c.place(outputs_[0]);
    operands_ = {c.place(inputs_[0]).data, h.data};
    return invoke(c, h.units) < 0;
  }
};

/// Sums of fields, and what becomes of them.
class SumStep final : public GeneratedStep {
 public:
  using GeneratedStep::GeneratedStep;
  bool call(Context& c) override {
    if (c.frame.wide) return false;
    const Place& out = c.place(outputs_[0]);
    operands_.clear();
    for (const SlotId s : inputs_) {
      if (c.place(s).slot->storage == Storage::fields) operands_.push_back(c.place(s).data);
    }
    if (out.slot->storage == Storage::fields) {
      operands_.push_back(out.data);
    } else {
      const SignsOut planes = out.signs(c.frame);
      operands_.insert(operands_.end(), {planes.plus, planes.minus});
    }
    invoke(c, out.units);
    return true;
  }
};

class MarginStep final : public GeneratedStep {
 public:
  MarginStep(const Step& step, Function function, std::unique_ptr<Runnable> table, const Plan& plan)
      : GeneratedStep(step, function, std::move(table)) {
    const bool fused = plan.slot(inputs_.front()).storage == Storage::fields;
    target_ = fused ? inputs_[inputs_.size() - 2] : inputs_.front();
  }
  bool call(Context& c) override {
    if (c.frame.wide) return false;
    if (run_ != c.frame.run) prepare(c);
    const Place& t = c.place(target_);
    const SignsIn target = t.signs_in(c.frame);
    const SignsOut errors = c.place(outputs_[0]).signs(c.frame);
    operands_.clear();
    for (const SlotId s : inputs_) {
      if (c.place(s).slot->storage == Storage::fields) operands_.push_back(c.place(s).data);
    }
    const void* margins = margins_.data();
    if (t.slot->storage == Storage::pair) margins = c.place(inputs_.back()).tensor->raw();
    operands_.insert(operands_.end(), {pointer(target.plus), pointer(target.minus), pointer(margins),
                                       errors.plus, errors.minus});
    invoke(c, t.units);
    return true;
  }

 private:
  /// Margins are bindings, the same for a whole run. No field reaches the bound they are cut to.
  void prepare(Context& c) {
    run_ = c.frame.run;
    margins_.clear();
    for (const float m : c.place(inputs_.back()).tensor->data<float>()) {
      const std::int64_t fixed = threshold_to_fixed(m, c.plan.fixed_bits);
      margins_.push_back(static_cast<std::int32_t>(std::clamp<std::int64_t>(fixed, -INT32_MAX, INT32_MAX)));
    }
  }

  SlotId target_;
  std::vector<std::int32_t> margins_;
  std::uint64_t run_ = 0;
};

/// A pattern's order and stream, made again when the pattern is another one.
class PatternStream {
 public:
  explicit PatternStream(jit::ColumnStream kind) : kind_(kind) {}

  /// Offsets, stream, order.
  std::array<void*, 3> operands(const ColumnIndex& index, Isa isa) {
    if (index_ != &index) prepare(index, jit::ColumnStream::tile(isa));
    return {pointer(index.offsets.data()),
            kind_.short_indices() ? pointer(short_stream_.data()) : pointer(stream_.data()), order_.data()};
  }

 private:
  void prepare(const ColumnIndex& index, std::int64_t tile) {
    index_ = &index;
    order_.resize(static_cast<std::size_t>(index.receivers));
    for (std::size_t k = 0; k < order_.size(); ++k) order_[k] = static_cast<std::int32_t>(k);
    stream_.clear();
    for (std::int64_t first = 0; first < index.receivers; first += jit::ColumnStream::block) {
      const std::int64_t last = std::min(index.receivers, first + jit::ColumnStream::block);
      std::stable_sort(order_.begin() + first, order_.begin() + last,
                       [&](std::int32_t a, std::int32_t b) { return length(a) < length(b); });
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
    const std::int32_t* column = order_.data() + first;
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
  const ColumnIndex* index_ = nullptr;
  std::vector<std::int32_t> order_, stream_;
  std::vector<std::uint16_t> short_stream_;
};

class RealSparseStep final : public GeneratedStep {
 public:
  RealSparseStep(const Step& step, Function function, std::unique_ptr<Runnable> table,
                 const jit::RealSparse& operation)
      : GeneratedStep(step, function, std::move(table)), stream_(operation.stream()) {}

  bool call(Context& c) override {
    const Place& w = c.place(inputs_[1]);
    const auto [offsets, stream, order] = stream_.operands(*w.index, c.isa);
    operands_ = {w.data, offsets, stream, order, c.place(inputs_[0]).data, c.place(outputs_[0]).data};
    invoke(c, w.receivers);
    return true;
  }

 private:
  PatternStream stream_;
};

class ExactSparseStep final : public GeneratedStep {
 public:
  ExactSparseStep(const Step& step, Function function, std::unique_ptr<Runnable> table,
                  const jit::ExactSparse& operation)
      : GeneratedStep(step, function, std::move(table)), stream_(operation.stream()) {}

  bool call(Context& c) override {
    const Place& x = c.place(inputs_[0]);
    const Place& q = c.place(inputs_[1]);
    if (c.frame.wide || !all_signs(x, c.frame)) return false;
    const auto [offsets, stream, order] = stream_.operands(*q.index, c.isa);
    operands_ = {q.data, offsets, stream, order, x.data, c.place(outputs_[0]).data};
    invoke(c, q.receivers);
    return true;
  }

 private:
  PatternStream stream_;
};

/// From a state of zeros the whole message is added, else what the senders that differ make of it.
class AdvanceSparseStep final : public GeneratedStep {
 public:
  AdvanceSparseStep(const Step& step, Function whole, Function difference, std::unique_ptr<Runnable> table,
                    const jit::ExactSparse& operation)
      : GeneratedStep(step, difference, std::move(table)), whole_(whole), stream_(operation.stream()) {}

  bool call(Context& c) override {
    if (c.frame.wide) return false;
    const Place& from = c.place(inputs_[1]);
    const Place& to = c.place(inputs_[2]);
    const Place& q = c.place(inputs_[3]);
    void* h = c.place(outputs_[0]).data;
    const ColumnIndex& index = *q.index;
    if (all_zeros(from, c.frame) && all_signs(to, c.frame)) {
      const auto [offsets, stream, order] = stream_.operands(index, c.isa);
      operands_ = {q.data, offsets, stream, order, to.data, h};
      whole_(operands_.data(), c.frame.batch, 0, q.receivers);
      return true;
    }
    const SignsIn a = from.signs_in(c.frame), b = to.signs_in(c.frame);
    operands_ = {q.data,
                 pointer(index.row_offsets.data()),
                 pointer(index.receiver.data()),
                 pointer(index.entry.data()),
                 pointer(a.plus),
                 pointer(a.minus),
                 pointer(b.plus),
                 pointer(b.minus),
                 h};
    invoke(c, q.receivers);
    return true;
  }

 private:
  Function whole_;
  PatternStream stream_;
};

class UpdateStep final : public GeneratedStep {
 public:
  UpdateStep(const Step& step, Function function, std::unique_ptr<Runnable> table,
             const jit::Update& operation)
      : GeneratedStep(step, function, std::move(table)),
        operation_(operation),
        report_(update_reporter(step)),
        moments_(inputs_.size() - 4) {}

  bool call(Context& c) override {
    const Place& w = c.place(inputs_[0]);
    const Place& u = c.place(inputs_[moments_ + 1]);
    const Place& v = c.place(inputs_[moments_ + 2]);
    const Frame& f = c.frame;
    if (operation_.u == Sender::Kind::signs && !all_signs(u, f)) return false;
    std::int32_t report[2] = {0, 0};
    const auto moment = [&](std::size_t i) { return i < moments_ ? c.place(inputs_[i + 1]).data : nullptr; };
    const bool u_masks = operation_.u == Sender::Kind::signs || operation_.u == Sender::Kind::pair;
    const bool v_masks = operation_.v != Errors::Kind::real;
    operands_ = {w.data,
                 moment(0),
                 moment(1),
                 w.index ? pointer(w.index->offsets.data()) : nullptr,
                 w.index ? pointer(w.index->sender.data()) : nullptr,
                 u.data,
                 u_masks ? pointer(u.signs_in(f).minus) : nullptr,
                 v.data,
                 v_masks ? pointer(v.signs_in(f).minus) : nullptr,
                 pointer(c.place(inputs_.back()).tensor->raw()),
                 report,
                 scratch(w, f)};
    invoke(c, w.receivers);
    constexpr std::int32_t infinity = 0x7f800000;
    report_(c, {std::bit_cast<float>(report[0]), report[1] < infinity});
    return true;
  }

 private:
  void* scratch(const Place& w, const Frame& f) {
    if (w.index) return nullptr;
    const auto floats =
        static_cast<std::size_t>(update_scratch(operation_.u, operation_.v, f.panels, w.stride));
    if (scratch_.size() < floats) scratch_.resize(floats);
    return scratch_.data();
  }

  jit::Update operation_;
  std::function<void(Context&, const UpdateReport&)> report_;
  std::size_t moments_;
  std::vector<float> scratch_;
};

}  // namespace

std::unique_ptr<Runnable> make_generated_step(const Step& step, Context& context,
                                              std::unique_ptr<Runnable> table) {
  if (!context.code) return table;
  const auto operations = jit::operations_of(step, context.plan, context.isa).operations;
  if (operations.empty()) return table;
  const Function function = context.code->find(operations.back());
  switch (step.kernel) {
    case Kernel::quantise: return std::make_unique<QuantiseStep>(step, function, std::move(table));
    case Kernel::to_fields: return std::make_unique<ToFieldsStep>(step, function, std::move(table));
    case Kernel::sum:
    case Kernel::sign: return std::make_unique<SumStep>(step, function, std::move(table));
    case Kernel::margin: return std::make_unique<MarginStep>(step, function, std::move(table), context.plan);
    case Kernel::real:
      return std::make_unique<RealSparseStep>(step, function, std::move(table),
                                              std::get<jit::RealSparse>(operations.back()));
    case Kernel::exact:
      return std::make_unique<ExactSparseStep>(step, function, std::move(table),
                                               std::get<jit::ExactSparse>(operations.back()));
    case Kernel::advance:
      return std::make_unique<AdvanceSparseStep>(step, context.code->find(operations.front()), function,
                                                 std::move(table),
                                                 std::get<jit::ExactSparse>(operations.front()));
    case Kernel::update:
      return std::make_unique<UpdateStep>(step, function, std::move(table),
                                          std::get<jit::Update>(operations.back()));
    default: return table;
  }
}

}  // namespace relaxon::executor
