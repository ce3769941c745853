// Steps that compute messages.
#include <algorithm>

#include "core/error.hpp"
#include "core/fixed_point.hpp"
#include "runtime/executor/followed_samples.hpp"
#include "runtime/executor/scratch.hpp"
#include "runtime/executor/step.hpp"
#include "runtime/weight_errors.hpp"

namespace relaxon::executor {
namespace {

/// Sender and receiver of the entry at a position of a weight as it lies.
std::pair<std::int64_t, std::int64_t> connection_at(const Place& place, std::int64_t position) {
  if (!place.index) return {position / place.stride, position % place.stride};
  const auto& offsets = place.index->offsets;
  const auto k = std::upper_bound(offsets.begin(), offsets.end(), static_cast<std::int32_t>(position)) -
                 offsets.begin() - 1;
  return {place.index->sender[static_cast<std::size_t>(position)], k};
}

/// What each part of a search has found: a position, or -1.
using Found = std::vector<std::int64_t>;

std::int64_t first_of(const Found& found) {
  std::int64_t first = -1;
  for (const std::int64_t at : found) {
    if (at >= 0 && (first < 0 || at < first)) first = at;
  }
  return first;
}

/// q of a weight, unless an update has left it; entries are shared out as they lie.
class Quantise final : public SharedStep {
 public:
  Quantise(const Step& step, int threads)
      : SharedStep(step),
        edge_(std::get<MessageAttributes>(step.attributes).edge),
        weight_(step.inputs[0]),
        q_(step.outputs[0]),
        fixed_(step),
        bad_(static_cast<std::size_t>(threads), -1) {}

  void run(Context& c, ThreadPart part) override {
    if (fixed_.current(c)) return;
    const Place& weight = c.place(weight_);
    const Units entries = units_of(weight.entries(), part);
    const std::int64_t bad =
        c.kernels.quantise(weight.as<float>() + entries.begin, entries.end - entries.begin, c.plan.fixed_bits,
                           c.place(q_).as<std::int32_t>() + entries.begin);
    bad_[static_cast<std::size_t>(part.index)] = bad < 0 ? -1 : entries.begin + bad;
  }

  bool finishes() const override { return fixed_.kept() || first_of(bad_) >= 0; }
  void finish(Context& c) override {
    const std::int64_t bad = first_of(bad_);
    if (bad < 0) return fixed_.made(c);
    std::fill(bad_.begin(), bad_.end(), -1);  // the next run may not look
    const Place& weight = c.place(weight_);
    const auto [sender, receiver] = connection_at(weight, bad);
    fail_weight_limit(weight_entry(edge_, sender, receiver), weight.as<float>()[bad], c.plan.fixed_bits);
  }

 private:
  std::optional<EdgeId> edge_;
  SlotId weight_, q_;
  KeptFixed fixed_;
  Found bad_;
};

/// The exact message of `x` through a sparse q, on top of `base` if there is one, into `h`; a part's
/// receivers.
void exact_columns(Context& c, const Place& q, SignsIn x, const Place* base, const Place& h,
                   ThreadPart part) {
  const Frame& f = c.frame;
  const auto columns = part_of(q.columns_fixed(), part);
  const auto message = [&]<class T>(auto kernel, T* to) {
    kernel(columns, x, f.batch, base ? base->as<const T>() : nullptr, to);
  };
  if (f.wide) return message(c.kernels.exact_sparse64, h.as<std::int64_t>());
  message(c.kernels.exact_sparse32, h.as<std::int32_t>());
}

/// The same through a dense one; a share's senders, into its own rows.
void exact_rows(Context& c, const Place& q, SignsIn x, const Place* base, const Place& h, ThreadPart share) {
  const Frame& f = c.frame;
  const auto rows = rows_of(q.dense_fixed(), senders_of(q.senders, share));
  const std::byte* below = base ? base->below(f, share) : nullptr;
  std::byte* to = h.share(f, share.index);
  const auto message = [&]<class T>(auto kernel, T* own) {
    kernel(rows, x, f.batch, reinterpret_cast<const T*>(below), own);
  };
  if (f.wide) return message(c.kernels.exact_rows64, reinterpret_cast<std::int64_t*>(to));
  message(c.kernels.exact_rows32, reinterpret_cast<std::int32_t*>(to));
}

std::unique_ptr<Runnable> make_exact(const Step& step) {
  return shared_runnable(step, [slots = step.inputs, out = step.outputs[0]](Context& c, ThreadPart part) {
    const Place& q = c.place(slots[1]);
    const Place& h = c.place(out);
    const SignsIn x = c.place(slots[0]).signs_in(c.frame);
    if (q.index) return exact_columns(c, q, x, nullptr, h, part);
    for_each_share(h.shares, part, [&](ThreadPart share) { exact_rows(c, q, x, nullptr, h, share); });
  });
}

/// acc + message(to) - message(from). Where acc is message(from), or that on top of a base, the plan says
/// from how many senders on the whole message is computed instead.
class Advance final : public SharedStep {
 public:
  Advance(const Step& step, Context& c)
      : SharedStep(step),
        whole_from_(step.whole_from),
        field_(step.inputs[0]),
        from_(step.inputs[1]),
        to_(step.inputs[2]),
        q_(step.inputs[3]),
        base_(follow_base(step)) {
    if (!c.statistics) return;
    statistics_ = c.statistics->follows.size();
    const auto& edge = std::get<MessageAttributes>(step.attributes).edge;
    c.statistics->follows.push_back({.edge = edge ? to_string(*edge) : ""});
  }

  void run(Context& c, ThreadPart part) override {
    const Place& field = c.place(field_);
    const Place& q = c.place(q_);
    const SignsIn a = c.place(from_).signs_in(c.frame);
    const SignsIn b = c.place(to_).signs_in(c.frame);
    if (c.statistics && part.first()) count(c, q, a, b);
    if (q.index) return columns(c, field, q, a, b, part);
    for_each_share(field.shares, part, [&](ThreadPart share) { rows(c, field, q, a, b, share); });
  }

 private:
  void columns(Context& c, const Place& field, const Place& q, SignsIn a, SignsIn b, ThreadPart part) const {
    const Frame& f = c.frame;
    const ToCompute what = to_compute(c, q, q.senders, whole_from_, a, b);
    if (what == ToCompute::nothing) return;
    if (what == ToCompute::whole) return exact_columns(c, q, b, c.place_if_any(base_), field, part);
    const auto columns = part_of(q.columns_fixed(), part);
    const SenderIndex index = q.index->rows(part);
    if (f.wide) return c.kernels.advance_sparse64(columns, index, a, b, f.panels, field.as<std::int64_t>());
    c.kernels.advance_sparse32(columns, index, a, b, f.panels, field.as<std::int32_t>());
  }

  void rows(Context& c, const Place& field, const Place& q, SignsIn a, SignsIn b, ThreadPart share) const {
    const Frame& f = c.frame;
    const Units senders = senders_of(q.senders, share);
    const ToCompute what = to_compute(c, q, senders, whole_from_, a, b);
    if (what == ToCompute::nothing) return;
    if (what == ToCompute::whole) return exact_rows(c, q, b, c.place_if_any(base_), field, share);
    const auto rows = rows_of(q.dense_fixed(), senders);
    std::byte* h = field.share(f, share.index);
    if (f.wide) return c.kernels.advance_rows64(rows, a, b, f.panels, reinterpret_cast<std::int64_t*>(h));
    c.kernels.advance_rows32(rows, a, b, f.panels, reinterpret_cast<std::int32_t*>(h));
  }

  /// Of all senders: shares may decide otherwise, each by its own.
  void count(Context& c, const Place& q, SignsIn a, SignsIn b) {
    FollowStatistics& own = c.statistics->follows[statistics_];
    const Changes changes = changes_of(c, q.senders, a, b);
    const bool whole = wants_whole(c, q, q.senders, whole_from_, changes);
    ++(whole ? own.wholes : own.changes);
    if (whole) return;
    own.senders += c.frame.batch * q.senders;
    own.panel_senders += c.frame.panels * q.senders;
    own.changed += changes.samples;
    own.panel_changed += changes.units;
  }

  std::int64_t whole_from_;
  std::size_t statistics_ = 0;  // its place there
  SlotId field_, from_, to_, q_, base_;
};

/// Float32 copies of a sender's numbers, where it isn't stored as such.
class RealSender {
 public:
  const float* numbers(Context& c, const Place& x) {
    const Frame& f = c.frame;
    const std::int64_t n = f.panels * x.units * lanes;
    if (x.slot->storage == Storage::reals) return x.as<float>();
    if (static_cast<std::int64_t>(buffer_.size()) < n) buffer_.resize(static_cast<std::size_t>(n));
    if (x.slot->storage == Storage::bytes) {
      c.kernels.bytes_to_reals(x.as<std::uint8_t>(), n, buffer_.data());
      return buffer_.data();
    }
    const SignsIn planes = x.signs_in(f);
    const bool pair = x.slot->storage == Storage::pair;
    const float plus = pair ? x.slot->type.a : 1.0f;
    const float minus = pair ? x.slot->type.b : -1.0f;
    for (std::int64_t i = 0; i < f.panels * x.units; ++i) {
      for (std::int64_t lane = 0; lane < lanes; ++lane) {
        buffer_[static_cast<std::size_t>(i * lanes + lane)] = (planes.plus[i] >> lane) & 1    ? plus
                                                              : (planes.minus[i] >> lane) & 1 ? minus
                                                                                              : 0.0f;
      }
    }
    return buffer_.data();
  }

 private:
  std::vector<float> buffer_;
};

/// A float32 message; the first thread makes the sender's numbers, where they aren't stored as such.
class Real final : public SharedStep {
 public:
  Real(const Step& step, int threads)
      : SharedStep(step),
        x_(step.inputs[0]),
        w_(step.inputs[1]),
        h_(step.outputs[0]),
        followed_(step),
        joined_(threads) {}

  /// With numbers to make, all threads wait for them.
  Sharing sharing() const override {
    return SharedStep::sharing() == Sharing::parts ? Sharing::team : Sharing::first;
  }

  void run(Context& c, ThreadPart part) override {
    const Place& from = c.place(x_);
    const Place& weight = c.place(w_);
    const Place& to = c.place(h_);
    const Frame& f = c.frame;
    if (followed_.follows()) {
      return followed_.run(
          c, part, [&](const float* x, std::int64_t panels, float* h) { compute(c, part, x, panels, h); });
    }
    const bool bytes = weight.index && from.slot->storage == Storage::bytes;
    if (!bytes && part.first()) numbers_ = sender_.numbers(c, from);
    if (part.count > 1) c.barrier(part);
    if (bytes) {
      c.kernels.byte_sparse(part_of(weight.index->weight(weight.as<const float>()), part),
                            from.as<std::uint8_t>(), f.panels, from.slot->type.scale,
                            joined_.of(part, from.units, f.panels), to.as<float>());
    } else {
      compute(c, part, numbers_, f.panels, to.as<float>());
      if (from.slot->type.elem == Elem::u8) scale(c, to, units_of(to.units, part), from.slot->type.scale);
    }
    if (part.count > 1) c.barrier(part);
  }

 private:
  void compute(Context& c, ThreadPart part, const float* x, std::int64_t panels, float* h) const {
    const Place& weight = c.place(w_);
    if (weight.index)
      return c.kernels.real_sparse(part_of(weight.index->weight(weight.as<const float>()), part), x, panels,
                                   h);
    c.kernels.real_dense(part_of(weight.dense_weights(), part), x, panels, h);
  }

  static void scale(Context& c, const Place& to, Units units, float factor) {
    for (std::int64_t p = 0; p < c.frame.panels; ++p) {
      c.kernels.scale(to.as<float>() + (p * to.units + units.begin) * lanes,
                      (units.end - units.begin) * lanes, factor);
    }
  }

  SlotId x_, w_, h_;
  FollowedSamples followed_;
  RealSender sender_;
  JoinedBytes joined_;
  const float* numbers_ = nullptr;
};

/// a x + b, rounded twice.
class Affine final : public Runnable {
 public:
  explicit Affine(const Step& step) : inputs_(step.inputs), out_(step.outputs[0]) {}

  void run(Context& c, ThreadPart) override {
    const Place& x = c.place(inputs_[0]);
    const float a = c.place(inputs_[1]).tensor->data<float>()[0];
    const float b = c.place(inputs_[2]).tensor->data<float>()[0];
    const float unit = x.slot->type.elem == Elem::u8 ? x.slot->type.scale : 1.0f;
    const float* numbers = sender_.numbers(c, x);
    float* to = c.place(out_).as<float>();
    for (std::int64_t p = 0; p < c.frame.panels; ++p) {
      const unsigned active = active_lanes(c.frame.batch, p);
      for (std::int64_t i = p * x.units * lanes; i < (p + 1) * x.units * lanes; ++i)
        to[i] = active >> i % lanes & 1 ? a * (numbers[i] * unit) + b : 0.0f;
    }
  }

 private:
  std::vector<SlotId> inputs_;
  SlotId out_;
  RealSender sender_;
};

/// q of real-valued messages.
class ToFields final : public SharedStep {
 public:
  ToFields(const Step& step, int threads)
      : SharedStep(step),
        x_(step.inputs[0]),
        h_(step.outputs[0]),
        bad_(static_cast<std::size_t>(threads), -1) {}

  void run(Context& c, ThreadPart part) override {
    const Frame& f = c.frame;
    const Place& from = c.place(x_);
    const Place& to = c.place(h_);
    const Units units = units_of(from.units, part);
    bad_[static_cast<std::size_t>(part.index)] =
        f.wide ? c.kernels.to_fields64(from.as<float>(), units, f.batch, c.plan.fixed_bits,
                                       to.as<std::int64_t>())
               : c.kernels.to_fields32(from.as<float>(), units, f.batch, c.plan.fixed_bits,
                                       to.as<std::int32_t>());
  }

  bool finishes() const override { return first_of(bad_) >= 0; }
  void finish(Context& c) override {
    const Place& from = c.place(x_);
    if (!c.frame.wide)
      internal_error("a message of %{} left the bound that was proved for it", from.slot->name);
    fail_message_limit(from.slot->name, from.as<float>()[first_of(bad_)], c.plan.fixed_bits);
  }

 private:
  SlotId x_, h_;
  Found bad_;
};

}  // namespace

Changes changes_of(const Context& c, Units senders, SignsIn from, SignsIn to) {
  const std::int64_t all = senders.count, own = senders.end - senders.begin;
  if (own == all) return c.kernels.count_changes(from, to, c.frame.panels * all);
  Changes sum{0, 0};
  for (std::int64_t at = senders.begin; at < c.frame.panels * all; at += all) {
    const Changes of_panel =
        c.kernels.count_changes({from.plus + at, from.minus + at}, {to.plus + at, to.minus + at}, own);
    sum.units += of_panel.units;
    sum.samples += of_panel.samples;
  }
  return sum;
}

bool wants_whole(const Context& c, const Place& q, Units senders, std::int64_t whole_from, Changes changes) {
  if (whole_from == 0) return false;
  // A dense weight's rows are added sample by sample, a sparse one's to all samples of a panel.
  const std::int64_t changed = q.index ? changes.units : changes.samples;
  const std::int64_t each = q.index ? c.frame.panels : c.frame.batch;
  return changed * senders.count >= whole_from * (senders.end - senders.begin) * each;
}

ToCompute to_compute(const Context& c, const Place& q, Units senders, std::int64_t whole_from, SignsIn from,
                     SignsIn to) {
  if (whole_from == 0) return ToCompute::changes;
  const Changes changes = changes_of(c, senders, from, to);
  if (changes.units == 0) return ToCompute::nothing;
  return wants_whole(c, q, senders, whole_from, changes) ? ToCompute::whole : ToCompute::changes;
}

std::unique_ptr<Runnable> make_message_step(const Step& step, Context& c) {
  switch (step.kernel) {
    case Kernel::quantise: return std::make_unique<Quantise>(step, c.team.size());
    case Kernel::exact: return make_exact(step);
    case Kernel::advance:
    case Kernel::follow: return std::make_unique<Advance>(step, c);
    case Kernel::real: return std::make_unique<Real>(step, c.team.size());
    case Kernel::affine: return std::make_unique<Affine>(step);
    case Kernel::to_fields: return std::make_unique<ToFields>(step, c.team.size());
    default: return nullptr;
  }
}

}  // namespace relaxon::executor
