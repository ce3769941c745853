// Steps that compute messages.
#include <algorithm>

#include "core/error.hpp"
#include "core/fixed_point.hpp"
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

std::unique_ptr<Runnable> make_quantise(const Step& step) {
  const auto edge = std::get<MessageAttributes>(step.attributes).edge;
  return runnable([edge, in = step.inputs[0], out = step.outputs[0]](Context& c) {
    const Place& weight = c.place(in);
    const std::int64_t bad = c.kernels.quantise(weight.as<float>(), weight.entries(), c.plan.fixed_bits,
                                                c.place(out).as<std::int32_t>());
    if (bad < 0) return;
    const auto [sender, receiver] = connection_at(weight, bad);
    fail_weight_limit(weight_entry(edge, sender, receiver), weight.as<float>()[bad], c.plan.fixed_bits);
  });
}

/// The exact message of `x` through q, into `h`.
void exact_message(Context& c, const Place& q, SignsIn x, std::byte* h) {
  const Frame& f = c.frame;
  auto* narrow = reinterpret_cast<std::int32_t*>(h);
  auto* wide = reinterpret_cast<std::int64_t*>(h);
  if (q.index && f.wide) return c.kernels.exact_sparse64(q.columns_fixed(), x, f.batch, wide);
  if (q.index) return c.kernels.exact_sparse32(q.columns_fixed(), x, f.batch, narrow);
  if (f.wide) return c.kernels.exact_rows64(q.dense_fixed(), x, f.batch, wide);
  c.kernels.exact_rows32(q.dense_fixed(), x, f.batch, narrow);
}

std::unique_ptr<Runnable> make_exact(const Step& step) {
  return runnable([x = step.inputs[0], q = step.inputs[1], h = step.outputs[0]](Context& c) {
    exact_message(c, c.place(q), c.place(x).signs_in(c.frame), c.place(h).data);
  });
}

/// acc + message(to) - message(from). From a state of zeros, as at the start of every batch, each sender
/// changes: then the whole message is computed and added. Otherwise only senders that differ are touched.
class Advance final : public Runnable {
 public:
  explicit Advance(const Step& step)
      : field_(step.inputs[0]), from_(step.inputs[1]), to_(step.inputs[2]), q_(step.inputs[3]) {}

  void run(Context& c) override {
    const Place& from = c.place(from_);
    const std::byte* planes = from.data;
    const bool zeros =
        std::all_of(planes, planes + from.bytes(c.frame), [](std::byte b) { return b == std::byte{0}; });
    if (zeros) return add_whole(c);
    const Frame& f = c.frame;
    const Place& field = c.place(field_);
    const Place& q = c.place(q_);
    const SignsIn a = from.signs_in(f);
    const SignsIn b = c.place(to_).signs_in(f);
    auto* narrow = field.as<std::int32_t>();
    auto* wide = field.as<std::int64_t>();
    if (q.index && f.wide)
      return c.kernels.advance_sparse64(q.columns_fixed(), q.index->rows(), a, b, f.panels, wide);
    if (q.index)
      return c.kernels.advance_sparse32(q.columns_fixed(), q.index->rows(), a, b, f.panels, narrow);
    if (f.wide) return c.kernels.advance_rows64(q.dense_fixed(), a, b, f.panels, wide);
    c.kernels.advance_rows32(q.dense_fixed(), a, b, f.panels, narrow);
  }

 private:
  void add_whole(Context& c) {
    const Place& field = c.place(field_);
    const auto n = static_cast<std::int64_t>(field.bytes(c.frame) / sizeof(std::int32_t));
    if (message_.size() < n) message_ = Tensor(DType::i32, {n});
    exact_message(c, c.place(q_), c.place(to_).signs_in(c.frame), message_.raw());
    const auto add = [&]<class T>(auto kernel, T) {
      const T* parts[] = {field.as<T>(), reinterpret_cast<const T*>(message_.raw())};
      const bool rows = field.slot->storage == Storage::field_rows;
      const Messages<T> messages = rows ? Messages<T>{nullptr, 0, parts, 2} : Messages<T>{parts, 2};
      kernel(messages, field.units, c.frame.panels, field.as<T>());
    };
    if (c.frame.wide) return add(c.kernels.sum64, std::int64_t{});
    add(c.kernels.sum32, std::int32_t{});
  }

  SlotId field_, from_, to_, q_;
  Tensor message_;
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

std::unique_ptr<Runnable> make_real(const Step& step) {
  return runnable([x = step.inputs[0], w = step.inputs[1], h = step.outputs[0],
                   sender = RealSender()](Context& c) mutable {
    const Place& from = c.place(x);
    const Place& weight = c.place(w);
    const Place& to = c.place(h);
    const Frame& f = c.frame;
    if (weight.index && from.slot->storage == Storage::bytes) {
      c.kernels.byte_sparse(weight.index->weight(weight.as<const float>()), from.as<std::uint8_t>(), f.panels,
                            to.as<float>());
    } else if (weight.index) {
      c.kernels.real_sparse(weight.index->weight(weight.as<const float>()), sender.numbers(c, from), f.panels,
                            to.as<float>());
    } else {
      const DenseWeight<float> d = weight.dense();
      c.kernels.real_dense({d.entries, d.senders, d.receivers, d.stride}, sender.numbers(c, from), f.panels,
                           to.as<float>());
    }
    const Type& type = from.slot->type;
    if (type.elem == Elem::u8) c.kernels.scale(to.as<float>(), f.panels * to.units * lanes, type.scale);
  });
}

std::unique_ptr<Runnable> make_to_fields(const Step& step) {
  return runnable([x = step.inputs[0], h = step.outputs[0]](Context& c) {
    const Frame& f = c.frame;
    const Place& from = c.place(x);
    const Place& to = c.place(h);
    const std::int64_t bad = f.wide ? c.kernels.to_fields64(from.as<float>(), from.units, f.batch,
                                                            c.plan.fixed_bits, to.as<std::int64_t>())
                                    : c.kernels.to_fields32(from.as<float>(), from.units, f.batch,
                                                            c.plan.fixed_bits, to.as<std::int32_t>());
    if (bad < 0) return;
    if (!f.wide) internal_error("a message of %{} left the bound that was proved for it", from.slot->name);
    fail_message_limit(from.slot->name, from.as<float>()[bad], c.plan.fixed_bits);
  });
}

}  // namespace

std::unique_ptr<Runnable> make_message_step(const Step& step, Context&) {
  switch (step.kernel) {
    case Kernel::quantise: return make_quantise(step);
    case Kernel::exact: return make_exact(step);
    case Kernel::advance: return std::make_unique<Advance>(step);
    case Kernel::real: return make_real(step);
    case Kernel::to_fields: return make_to_fields(step);
    default: return nullptr;
  }
}

}  // namespace relaxon::executor
