// Steps that move values: into panels and weights, out of them, rows of tables.
#include <algorithm>
#include <cstring>

#include "core/error.hpp"
#include "runtime/executor/step.hpp"

namespace relaxon::executor {
namespace {

bool is_weight(const Place& place) {
  return place.slot->storage == Storage::dense || place.slot->storage == Storage::columns;
}

/// Copies what a slot holds; the guard hears of weights.
void copy(Context& c, SlotId from, SlotId to) {
  Place& source = c.place(from);
  Place& target = c.place(to);
  if (source.slot->storage == Storage::tensor) {
    target.tensor = source.tensor;
    return;
  }
  std::memcpy(target.data, source.data, target.bytes(c.frame));
  if (is_weight(target)) c.weight_loaded(to);
}

/// A part of the copy of a value with a batch axis; whole fields become the first of partial rows.
void copy_part(Context& c, SlotId from, SlotId to, ThreadPart part) {
  const Place& source = c.place(from);
  const Place& target = c.place(to);
  const std::size_t all = source.bytes(c.frame);
  for_each_stretch(target, c.frame, part, [&](std::size_t at, std::size_t bytes) {
    const std::size_t known = std::min(bytes, all - std::min(at, all));
    std::memcpy(target.data + at, source.data + at, known);
    std::memset(target.data + at + known, 0, bytes - known);
  });
}

void zero(Context& c, SlotId to) {
  Place& place = c.place(to);
  if (place.slot->storage != Storage::tensor) {
    std::memset(place.data, 0, place.bytes(c.frame));
    if (is_weight(place)) c.weight_loaded(to);
    return;
  }
  Shape shape;
  for (const Dim& d : place.slot->type.dims) {
    if (d.is_symbolic()) internal_error("zeros of a shape with axis {}", d.symbol);
    shape.push_back(d.length);
  }
  const Elem elem = place.slot->type.elem;
  Tensor& tensor = place.own_tensor(elem == Elem::fix || elem == Elem::i64 ? DType::i64
                                    : elem == Elem::i32                    ? DType::i32
                                    : elem == Elem::tern                   ? DType::i8
                                                                           : DType::f32,
                                    shape);
  std::memset(tensor.raw(), 0, tensor.bytes());
}

/// Rows of a table, as panels.
void gather(Context& c, const Place& table, const std::int32_t* rows, Place& to, ThreadPart part = {}) {
  const Tensor& t = *table.tensor;
  const Frame& f = c.frame;
  const Units units = units_of(to.units, part);  // of fields; others come whole
  switch (to.slot->storage) {
    case Storage::signs:
      return c.kernels.gather_signs(t.data<std::int8_t>().data(), to.units, rows, f.batch, to.signs(f));
    case Storage::bytes:
      return c.kernels.gather_bytes(t.data<std::uint8_t>().data(), to.units, rows, f.batch,
                                    to.as<std::uint8_t>());
    case Storage::reals:
      return c.kernels.gather_reals(t.data<float>().data(), to.units, rows, f.batch, to.as<float>());
    case Storage::fields:
      if (f.wide)
        return c.kernels.gather_fields64(t.data<std::int64_t>().data(), units, rows, f.batch,
                                         to.as<std::int64_t>());
      return c.kernels.gather_fields32(t.data<std::int64_t>().data(), units, rows, f.batch,
                                       to.as<std::int32_t>());
    case Storage::field_rows:
      if (f.wide)
        return c.kernels.gather_field_rows64(t.data<std::int64_t>().data(), units, rows, f.batch,
                                             to.as<std::int64_t>());
      return c.kernels.gather_field_rows32(t.data<std::int64_t>().data(), units, rows, f.batch,
                                           to.as<std::int32_t>());
    default: break;
  }
  // Pairs are labels: few numbers.
  const SignsOut planes = to.signs(f);
  const Type& type = to.slot->type;
  std::memset(planes.plus, 0, to.bytes(f));
  const auto values = t.data<float>();
  for (std::int64_t b = 0; b < f.batch; ++b) {
    const auto bit = static_cast<Mask>(1u << (b % lanes));
    for (std::int64_t k = 0; k < to.units; ++k) {
      const float v = values[static_cast<std::size_t>(rows[b] * to.units + k)];
      const std::int64_t at = b / lanes * to.units + k;
      if (v == type.a) {
        planes.plus[at] = static_cast<Mask>(planes.plus[at] | bit);
      } else if (v == type.b) {
        planes.minus[at] = static_cast<Mask>(planes.minus[at] | bit);
      }
    }
  }
}

/// Asks for the rows of a table that the next batch will gather: they come from memory meanwhile.
void prefetch(const Tensor& table, std::span<const std::int32_t> rows) {
  constexpr std::size_t cache_line = 64, most = 4096;  // bytes of a row: more would drive out what is at work
  const auto n = static_cast<std::size_t>(table.shape()[0]),
             row_bytes = table.bytes() / std::max(n, std::size_t{1});
  if (row_bytes > most) return;
  const auto* bytes = static_cast<const std::byte*>(table.raw());
  for (const std::int32_t row : rows) {
    if (row < 0 || static_cast<std::size_t>(row) >= n) return;  // whose gather will fail
    for (std::size_t i = 0; i < row_bytes; i += cache_line)
      __builtin_prefetch(bytes + static_cast<std::size_t>(row) * row_bytes + i, 0, 2);
  }
}

void check_rows(const Place& table, const Tensor& rows) {
  const std::int64_t n = table.tensor->shape()[0];
  for (const std::int32_t i : rows.data<std::int32_t>()) {
    if (i < 0 || i >= n) fail("take: index {} of a table of {} rows", i, n);
  }
}

/// Fields by lane become fields by sample, or the other way round.
void turn(Context& c, SlotId from, SlotId to) {
  const Place& source = c.place(from);
  const Place& target = c.place(to);
  const auto run = [&]<class T>(auto kernel, T) {
    if (target.slot->storage == Storage::field_rows)
      return kernel(source.as<const T>(), source.units, c.frame.panels, target.as<T>());
    const T* rows = source.as<const T>();
    const std::int64_t units = source.units, stride = row_stride(units);
    for (std::int64_t i = 0; i < c.frame.panels * units; ++i) {
      for (std::int64_t lane = 0; lane < lanes; ++lane)
        target.as<T>()[i * lanes + lane] = rows[(i / units * lanes + lane) * stride + i % units];
    }
  };
  if (c.frame.wide) return run(c.kernels.turn_fields64, std::int64_t{});
  run(c.kernels.turn_fields32, std::int32_t{});
}

std::unique_ptr<Runnable> make_slice(const Step& step) {
  return runnable([in = step.inputs, out = step.outputs[0]](Context& c) {
    const auto order = c.place(in[0]).tensor->data<std::int32_t>();
    const std::int64_t size = c.place(in[2]).tensor->data<std::int32_t>()[0];
    const std::int64_t begin = c.place(in[1]).tensor->data<std::int32_t>()[0] * size;
    const auto length = static_cast<std::int64_t>(order.size());
    if (size < 1 || begin < 0 || begin >= length)
      fail("slice: rows {} .. of {}, {} at a time", begin, length, size);
    const std::int64_t n = std::min(size, length - begin);
    Tensor& rows = c.place(out).own_tensor(DType::i32, {n});
    std::copy_n(order.begin() + begin, n, rows.data<std::int32_t>().begin());
    const std::int64_t behind = begin + n;
    c.place(out).next = order.subspan(static_cast<std::size_t>(behind),
                                      static_cast<std::size_t>(std::min(size, length - behind)));
    c.frame.set_batch(n);
  });
}

std::unique_ptr<Runnable> make_take_row(const Step& step) {
  return runnable([in = step.inputs, out = step.outputs[0]](Context& c) {
    const Tensor& table = *c.place(in[0]).tensor;
    const std::int32_t row = c.place(in[1]).tensor->data<std::int32_t>()[0];
    if (row < 0 || row >= table.shape()[0])
      fail("take: index {} of a table of {} rows", row, table.shape()[0]);
    const std::int64_t length = table.shape()[1];
    Place& to = c.place(out);
    Tensor& result = !to.tensor || to.tensor->size() != length
                         ? to.own_tensor(DType::f32, {length})
                         : to.own_tensor(DType::f32, to.tensor->shape());
    std::copy_n(table.data<float>().begin() + row * length, length, result.data<float>().begin());
  });
}

std::unique_ptr<Runnable> make_gather_index(const Step& step) {
  return runnable([in = step.inputs, out = step.outputs[0]](Context& c) {
    const Place& table = c.place(in[0]);
    const Tensor& rows = *c.place(in[1]).tensor;
    check_rows(table, rows);
    Tensor& result = c.place(out).own_tensor(DType::i32, rows.shape());
    for (std::size_t b = 0; b < static_cast<std::size_t>(rows.size()); ++b) {
      result.data<std::int32_t>()[b] =
          table.tensor->data<std::int32_t>()[static_cast<std::size_t>(rows.data<std::int32_t>()[b])];
    }
  });
}

/// A binding with a batch axis comes row by row; weights and everything else through a tensor.
void load(Context& c, SlotId from, SlotId to) {
  Place& place = c.place(to);
  const bool rows = place.slot->storage != Storage::dense && place.slot->storage != Storage::columns;
  if (rows) return gather(c, c.place(from), c.memory.identity(), place);
  from_tensor(place, *c.place(from).tensor, c.frame);
  c.weight_loaded(to);
}

}  // namespace

std::unique_ptr<Runnable> make_data_step(const Step& step, Context&) {
  switch (step.kernel) {
    case Kernel::zero:
      if (step.threads != Threads::one)
        return shared_runnable(step, [to = step.outputs[0]](Context& c, ThreadPart part) {
          const Place& place = c.place(to);
          for_each_stretch(place, c.frame, part, [&](std::size_t at, std::size_t bytes) {
            std::memset(place.data + at, 0, bytes);
          });
        });
      return runnable([to = step.outputs[0]](Context& c) { zero(c, to); });
    case Kernel::copy:
      if (step.threads != Threads::one)
        return shared_runnable(step, [from = step.inputs[0], to = step.outputs[0]](
                                         Context& c, ThreadPart part) { copy_part(c, from, to, part); });
      return runnable([from = step.inputs[0], to = step.outputs[0]](Context& c) { copy(c, from, to); });
    case Kernel::load:
      return runnable([from = step.inputs[0], to = step.outputs[0]](Context& c) { load(c, from, to); });
    case Kernel::store:
      return runnable([from = step.inputs[0], to = step.outputs[0]](Context& c) {
        c.place(to).tensor = std::make_shared<const Tensor>(to_tensor(c.place(from), c.frame));
      });
    case Kernel::turn:
      return runnable([from = step.inputs[0], to = step.outputs[0]](Context& c) { turn(c, from, to); });
    case Kernel::slice: return make_slice(step);
    case Kernel::take_row: return make_take_row(step);
    case Kernel::gather_index: return make_gather_index(step);
    case Kernel::gather:
      return shared_runnable(step, [in = step.inputs, to = step.outputs[0]](Context& c, ThreadPart part) {
        const Tensor& rows = *c.place(in[1]).tensor;
        check_rows(c.place(in[0]), rows);
        gather(c, c.place(in[0]), rows.data<std::int32_t>().data(), c.place(to), part);
        if (part.index == 0) prefetch(*c.place(in[0]).tensor, c.place(in[1]).next);
      });
    default: return nullptr;
  }
}

}  // namespace relaxon::executor
