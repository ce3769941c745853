// Messages by generated functions.
#include "runtime/executor/followed_samples.hpp"
#include "runtime/executor/generated_step.hpp"
#include "runtime/executor/scratch.hpp"

namespace relaxon::executor {
namespace {

/// The senders of a pattern in the order of a ColumnStream.
struct Stream {
  Stream(const ColumnIndex& index, jit::ColumnStream kind, std::int64_t tile) {
    for (std::int64_t first = 0; first < index.receivers; first += unit_block) {
      const std::int64_t last = std::min(index.receivers, first + unit_block);
      std::int64_t k = first;
      for (; k + tile <= last; k += tile) append_tile(index, kind, k, tile);
      for (; k < last; ++k) append_tile(index, kind, k, 1);
    }
    if (kind.short_indices()) narrow.assign(wide.begin(), wide.end());
  }

  std::vector<std::int32_t> wide;
  std::vector<std::uint16_t> narrow;  // where indices are short

 private:
  void append_tile(const ColumnIndex& index, jit::ColumnStream kind, std::int64_t first,
                   std::int64_t columns) {
    const std::int32_t* column = index.order.data() + first;
    const auto offset = [&](std::int32_t k) { return index.offsets[static_cast<std::size_t>(k)]; };
    const auto length = [&](std::int32_t k) { return offset(k + 1) - offset(k); };
    const auto append = [&](std::int32_t k, std::int32_t i) {
      wide.push_back(index.sender[static_cast<std::size_t>(offset(k) + i)] *
                     static_cast<std::int32_t>(kind.unit));
    };
    const std::int32_t together = length(column[0]);
    for (std::int32_t i = 0; i < together; ++i) {
      for (std::int64_t c = 0; c < columns; ++c) append(column[c], i);
    }
    for (std::int64_t c = 0; c < columns; ++c) {
      for (std::int32_t i = together; i < length(column[c]); ++i) append(column[c], i);
    }
  }
};

class PatternStream {
 public:
  explicit PatternStream(jit::ColumnStream kind) : kind_(kind) {}

  /// For any thread.
  void* data(const ColumnIndex& index, Isa isa) {
    const Stream& stream =
        stream_.of(index, [&] { return Stream(index, kind_, jit::ColumnStream::tile(isa)); });
    return kind_.short_indices() ? pointer(stream.narrow.data()) : pointer(stream.wide.data());
  }

 private:
  jit::ColumnStream kind_;
  OfPattern<Stream> stream_;
};

void* second_plane(const Context& c, const Place& x) {
  return x.is_planes() ? pointer(x.signs_in(c.frame).minus) : nullptr;
}

class RealStep : public GeneratedStep {
 public:
  RealStep(const Step& step, Function function, std::unique_ptr<Runnable> table)
      : GeneratedStep(step, function, std::move(table)), followed_(step) {}
  /// The table's step waits for numbers that aren't made here.
  Sharing sharing() const override {
    if (followed_.follows()) return table_->sharing();
    return table_->sharing() == Sharing::team ? Sharing::parts : table_->sharing();
  }
  bool call(Context& c, ThreadPart part) override {
    const Units units = units_of(c.place(inputs_[1]).receivers, part);
    const auto compute = [&](const void* x, void* minus, std::int64_t batch, float* h) {
      function_(operands(c, part, pointer(x), minus, h).data(), batch, units.begin, units.end);
    };
    const Place& x = c.place(inputs_[0]);
    if (followed_.follows()) {
      followed_.run(c, part, [&](const float* numbers, std::int64_t panels, float* h) {
        compute(numbers, nullptr, panels * lanes, h);
      });
    } else {
      compute(x.data, second_plane(c, x), c.frame.batch, c.place(outputs_[0]).as<float>());
    }
    return true;
  }

 private:
  virtual Operands operands(const Context& c, ThreadPart part, void* x, void* minus, float* h) = 0;

  FollowedSamples followed_;
};

class RealDenseStep final : public RealStep {
 public:
  using RealStep::RealStep;
  Operands operands(const Context& c, ThreadPart, void* x, void* minus, float* h) override {
    return {c.place(inputs_[1]).data, x, minus, h};
  }
};

class AffineStep final : public GeneratedStep {
 public:
  using GeneratedStep::GeneratedStep;
  bool call(Context& c, ThreadPart) override {
    const Place& x = c.place(inputs_[0]);
    const auto number = [&](SlotId s) { return pointer(c.place(s).tensor->raw()); };
    invoke(c, {x.data, second_plane(c, x), number(inputs_[1]), number(inputs_[2]), c.place(outputs_[0]).data},
           x.units);
    return true;
  }
};

class RealSparseStep final : public RealStep {
 public:
  RealSparseStep(const Step& step, Function function, std::unique_ptr<Runnable> table,
                 const jit::RealSparse& operation, int threads)
      : RealStep(step, function, std::move(table)),
        operation_(operation),
        stream_(operation.stream()),
        joined_(threads) {}

  Operands operands(const Context& c, ThreadPart part, void* x, void* minus, float* h) override {
    const Place& w = c.place(inputs_[1]);
    const ColumnIndex& index = *w.index;
    const bool joins = operation_.joins_panels(c.isa);
    return {w.data,
            pointer(index.offsets.data()),
            stream_.data(index, c.isa),
            pointer(index.order.data()),
            x,
            minus,
            h,
            joins ? joined_.of(part, operation_.senders, c.frame.panels) : nullptr};
  }

 private:
  jit::RealSparse operation_;
  PatternStream stream_;
  JoinedBytes joined_;
};

/// A whole exact message, on top of `base` if there is one.
class WholeMessage {
 public:
  explicit WholeMessage(Function function) : function_(function) {}
  virtual ~WholeMessage() = default;
  /// A part's receivers through a sparse q, a share's senders through a dense one. False: some sender is 0,
  /// which the function can't do.
  virtual bool call(const Context& c, const Place& q, const Place& x, const Place* base, const Place& h,
                    ThreadPart part) = 0;

 protected:
  void invoke(const Context& c, const Operands& operands, Units units) const {
    function_(operands.data(), c.frame.batch, units.begin, units.end);
  }

 private:
  Function function_;
};

class WholeSparse final : public WholeMessage {
 public:
  WholeSparse(Function function, const jit::ExactSparse& operation)
      : WholeMessage(function), stream_(operation.stream()) {}

  bool call(const Context& c, const Place& q, const Place& x, const Place* base, const Place& h,
            ThreadPart part) override {
    if (!c.kernels.all_signs(x.signs_in(c.frame), x.units, c.frame.batch)) return false;
    const ColumnIndex& index = *q.index;
    invoke(c,
           {q.data, pointer(index.offsets.data()), stream_.data(index, c.isa), pointer(index.order.data()),
            x.data, h.data, base ? base->data : nullptr},
           units_of(q.receivers, part));
    return true;
  }

 private:
  PatternStream stream_;
};

class WholeRows final : public WholeMessage {
 public:
  using WholeMessage::WholeMessage;
  bool call(const Context& c, const Place& q, const Place& x, const Place* base, const Place& h,
            ThreadPart share) override {
    const SignsIn signs = x.signs_in(c.frame);
    const Units senders = senders_of(q.senders, share);
    const Mask* minus = c.kernels.all_signs(signs, senders, c.frame.batch) ? nullptr : signs.minus;
    const std::byte* below = base ? base->below(c.frame, share) : nullptr;
    invoke(c, {q.data, pointer(signs.plus), pointer(minus), h.share(c.frame, share.index), pointer(below)},
           senders);
    return true;
  }
};

std::unique_ptr<WholeMessage> make_whole(const Context& c, const jit::Operation& operation) {
  const Function function = c.code->find(operation);
  if (const auto* sparse = std::get_if<jit::ExactSparse>(&operation))
    return std::make_unique<WholeSparse>(function, *sparse);
  if (std::holds_alternative<jit::ExactRows>(operation)) return std::make_unique<WholeRows>(function);
  return nullptr;
}

class ExactStep final : public GeneratedStep {
 public:
  ExactStep(const Step& step, Function function, std::unique_ptr<Runnable> table,
            std::unique_ptr<WholeMessage> whole)
      : GeneratedStep(step, function, std::move(table)), whole_(std::move(whole)) {}

  bool call(Context& c, ThreadPart part) override {
    if (c.frame.wide) return false;
    const Place& x = c.place(inputs_[0]);
    const Place& q = c.place(inputs_[1]);
    const Place& h = c.place(outputs_[0]);
    if (q.index) return whole_->call(c, q, x, nullptr, h, part);
    for_each_share(h.shares, part, [&](ThreadPart share) { whole_->call(c, q, x, nullptr, h, share); });
    return true;
  }

 private:
  std::unique_ptr<WholeMessage> whole_;
};

/// A change of a message by the senders that differ, or, where the plan allows it and so many do that it
/// costs less, the whole message.
class AdvanceStep final : public GeneratedStep {
 public:
  AdvanceStep(const Step& step, Function difference, std::unique_ptr<Runnable> table,
              std::unique_ptr<WholeMessage> whole)
      : GeneratedStep(step, difference, std::move(table)),
        whole_from_(step.whole_from),
        base_(follow_base(step)),
        whole_(std::move(whole)) {}

  bool call(Context& c, ThreadPart part) override {
    if (c.frame.wide) return false;
    const Place& q = c.place(inputs_[3]);
    if (q.index) {
      change(c, q, q.senders, part);
    } else {
      for_each_share(c.place(outputs_[0]).shares, part,
                     [&](ThreadPart share) { change(c, q, senders_of(q.senders, share), share); });
    }
    return true;
  }

 private:
  /// By some senders, of a part's receivers (sparse), or of a share (dense).
  void change(Context& c, const Place& q, Units senders, ThreadPart part) const {
    const Place& h = c.place(outputs_[0]);
    const SignsIn a = c.place(inputs_[1]).signs_in(c.frame), b = c.place(inputs_[2]).signs_in(c.frame);
    const ToCompute what = to_compute(c, q, senders, whole_from_, a, b);
    if (what == ToCompute::nothing) return;
    if (what == ToCompute::whole && whole_->call(c, q, c.place(inputs_[2]), c.place_if_any(base_), h, part))
      return;
    Operands operands{q.data};
    if (q.index) {
      const SenderIndex rows = q.index->rows(part);
      for (const std::int32_t* p : {rows.first, rows.last, rows.receiver, rows.entry})
        operands.add(pointer(p));
    }
    for (const Mask* plane : {a.plus, a.minus, b.plus, b.minus}) operands.add(pointer(plane));
    operands.add(q.index ? h.data : h.share(c.frame, part.index));
    invoke(c, operands, q.index ? units_of(q.receivers, part) : senders);
  }

  std::int64_t whole_from_;
  SlotId base_;
  std::unique_ptr<WholeMessage> whole_;
};

}  // namespace

std::unique_ptr<Runnable> make_generated_message(const Step& step, Context& context,
                                                 const std::vector<jit::Operation>& operations,
                                                 std::unique_ptr<Runnable>& table) {
  const Function function = context.code->find(operations.back());
  switch (step.kernel) {
    case Kernel::real:
      if (const auto* sparse = std::get_if<jit::RealSparse>(&operations.back()))
        return std::make_unique<RealSparseStep>(step, function, std::move(table), *sparse,
                                                context.team.size());
      return std::make_unique<RealDenseStep>(step, function, std::move(table));
    case Kernel::affine: return std::make_unique<AffineStep>(step, function, std::move(table));
    case Kernel::exact:
      return std::make_unique<ExactStep>(step, function, std::move(table),
                                         make_whole(context, operations.front()));
    case Kernel::advance:
    case Kernel::follow:
      return std::make_unique<AdvanceStep>(step, function, std::move(table),
                                           make_whole(context, operations.front()));
    default: return nullptr;
  }
}

}  // namespace relaxon::executor
