#include "runtime/executor/memory.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "core/error.hpp"

namespace relaxon::executor {
namespace {

constexpr std::size_t alignment = 64;

std::size_t aligned(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

bool in_arena(const Slot& slot) { return slot.storage != Storage::tensor; }

bool is_weight(Storage s) {
  return s == Storage::dense || s == Storage::dense_fixed || s == Storage::columns ||
         s == Storage::columns_fixed;
}

}  // namespace

ColumnIndex::ColumnIndex(const PatternPtr& p, int parts)
    : pattern(p),
      senders(p->senders),
      receivers(p->receivers),
      offsets(static_cast<std::size_t>(p->receivers) + 1),
      sender(p->receiver.size()),
      row_offsets(p->offsets),
      receiver(p->receiver),
      entry(p->receiver.size()) {
  for (const std::int32_t k : p->receiver) ++offsets[static_cast<std::size_t>(k) + 1];
  for (std::size_t k = 0; k < static_cast<std::size_t>(receivers); ++k) {
    longest_column = std::max<std::int64_t>(longest_column, offsets[k + 1]);
    offsets[k + 1] += offsets[k];
  }
  std::vector<std::int32_t> next(offsets.begin(), offsets.end() - 1);
  for (std::int64_t j = 0; j < senders; ++j) {
    const auto begin = static_cast<std::size_t>(p->offsets[static_cast<std::size_t>(j)]);
    for (std::size_t e = begin; e < static_cast<std::size_t>(p->offsets[static_cast<std::size_t>(j) + 1]);
         ++e) {
      const std::int32_t at = next[static_cast<std::size_t>(p->receiver[e])]++;
      sender[static_cast<std::size_t>(at)] = static_cast<std::int32_t>(j);
      entry[e] = at;
      if (p->fixed_diagonal && p->receiver[e] == j) diagonal.push_back(at);
    }
  }
  std::sort(diagonal.begin(), diagonal.end());
  order = columns_by_length(offsets);
  for (int part = 0; part < parts; ++part) {
    const Units units = units_of(receivers, {part, parts});
    cuts.emplace_back(static_cast<std::size_t>(senders));
    for (std::size_t j = 0; j < static_cast<std::size_t>(senders); ++j) {
      const auto row = receiver.begin() + row_offsets[j], end = receiver.begin() + row_offsets[j + 1];
      cuts.back()[j] = static_cast<std::int32_t>(std::lower_bound(row, end, units.begin) - receiver.begin());
    }
  }
  cuts.emplace_back(row_offsets.begin() + 1, row_offsets.end());
}

std::size_t Place::bytes(const Frame& frame) const {
  const auto numbers = static_cast<std::size_t>(frame.panels * units * lanes);
  switch (slot->storage) {
    case Storage::tensor: return 0;
    case Storage::signs:
    case Storage::pair: return static_cast<std::size_t>(frame.panels * units) * 2 * sizeof(Mask);
    case Storage::bytes: return numbers;
    case Storage::reals: return numbers * sizeof(float);
    case Storage::fields: return numbers * (frame.wide ? sizeof(std::int64_t) : sizeof(std::int32_t));
    case Storage::field_rows:
    case Storage::partial_rows:
      return static_cast<std::size_t>(shares * frame.panels * lanes * row_stride(units)) *
             (frame.wide ? sizeof(std::int64_t) : sizeof(std::int32_t));
    case Storage::dense:
    case Storage::columns: return static_cast<std::size_t>(entries()) * sizeof(float);
    case Storage::dense_fixed:
    case Storage::columns_fixed: return static_cast<std::size_t>(entries()) * sizeof(std::int32_t);
  }
  internal_error("unknown storage {}", static_cast<int>(slot->storage));
}

void copy_changes(std::byte* to, const std::byte* from, std::size_t bytes) {
  constexpr std::size_t line = 64;
  std::size_t i = 0;
  for (; i + line <= bytes; i += line) {
    std::uint64_t a[line / sizeof(std::uint64_t)], b[std::size(a)], difference = 0;
    std::memcpy(a, to + i, line);
    std::memcpy(b, from + i, line);
    for (std::size_t word = 0; word < std::size(a); ++word) difference |= a[word] ^ b[word];
    if (difference != 0) std::memcpy(to + i, b, line);
  }
  if (std::memcmp(to + i, from + i, bytes - i) != 0) std::memcpy(to + i, from + i, bytes - i);
}

Tensor& Place::own_tensor(DType dtype, const Shape& shape) {
  if (!owned_ || owned_->dtype() != dtype || owned_->shape() != shape || owned_.use_count() > 2) {
    owned_ = std::make_shared<Tensor>(dtype, shape);
  }
  tensor = owned_;
  return *owned_;
}

Memory::Memory(const Plan& plan, int parts) : plan_(plan), parts_(parts), places_(plan.slots.size()) {
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const Slot& slot = plan.slots[i];
    Place& place = places_[i];
    place.slot = &slot;
    if (is_weight(slot.storage)) {
      place.senders = slot.type.dims[0].length;
      place.receivers = slot.type.dims[1].length;
      place.stride = (place.receivers + lanes - 1) / lanes * lanes;
    } else if (in_arena(slot)) {
      place.units = slot.type.units();
      if (slot.storage == Storage::partial_rows) place.shares = plan.threads;
    }
  }
}

std::size_t Memory::slot_bytes(const Place& place, std::int64_t panels) const {
  Frame largest;
  largest.panels = panels;
  largest.wide = true;
  return aligned(place.bytes(largest));
}

bool Memory::prepare(std::int64_t batch, const std::vector<PatternPtr>& patterns) {
  if (batch <= capacity_ && patterns == patterns_ && arena_) return false;
  if (patterns != patterns_ || indices_.empty()) {
    patterns_ = patterns;
    indices_.clear();
    for (const PatternPtr& p : patterns) indices_.push_back(std::make_unique<ColumnIndex>(p, parts_));
    for (Place& place : places_) {
      const Entries& entries = place.slot->type.entries;
      if (is_weight(place.slot->storage) && entries.kind == Entries::Kind::sparse) {
        place.index = indices_.at(static_cast<std::size_t>(entries.pattern.index)).get();
      }
    }
  }
  capacity_ = std::max(capacity_, batch);
  identity_.resize(static_cast<std::size_t>(capacity_));
  for (std::size_t i = 0; i < identity_.size(); ++i) identity_[i] = static_cast<std::int32_t>(i);
  assign_offsets(panels_of(capacity_));
  return true;
}

bool Memory::overlap(SlotId a, SlotId b) const {
  if (a == b) return true;
  if (a.index < 0 || b.index < 0) return false;
  const Extent& one = extents_[static_cast<std::size_t>(a.index)];
  const Extent& other = extents_[static_cast<std::size_t>(b.index)];
  return one.offset < other.offset + other.bytes && other.offset < one.offset + one.bytes;
}

/// First fit by live range: the largest slots choose first.
void Memory::assign_offsets(std::int64_t panels) {
  struct Block {
    std::size_t place, offset, bytes;
  };
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (in_arena(*places_[i].slot)) blocks.push_back({i, 0, slot_bytes(places_[i], panels)});
  }
  std::stable_sort(blocks.begin(), blocks.end(),
                   [](const Block& a, const Block& b) { return a.bytes > b.bytes; });
  std::vector<Block> placed;
  arena_bytes_ = alignment;
  for (Block block : blocks) {
    const Slot& slot = *places_[block.place].slot;
    std::vector<Block> met;
    for (const Block& other : placed) {
      const Slot& s = *places_[other.place].slot;
      if (slot.first <= s.last && s.first <= slot.last) met.push_back(other);
    }
    std::sort(met.begin(), met.end(), [](const Block& a, const Block& b) { return a.offset < b.offset; });
    for (const Block& other : met) {
      if (block.offset + block.bytes <= other.offset) break;
      block.offset = std::max(block.offset, other.offset + other.bytes);
    }
    arena_bytes_ = std::max(arena_bytes_, block.offset + block.bytes);
    placed.push_back(block);
  }
  arena_ = zeroed_bytes(arena_bytes_);
  extents_.assign(places_.size(), {});
  for (const Block& block : placed) {
    places_[block.place].data = arena_.get() + block.offset;
    extents_[block.place] = {block.offset, block.bytes};
  }
}

namespace {

/// Calls visit(sample, unit, position) for every number of a batch-innermost value.
template <class Visit>
void for_each_number(const Place& place, const Frame& frame, Visit&& visit) {
  for (std::int64_t b = 0; b < frame.batch; ++b) {
    for (std::int64_t k = 0; k < place.units; ++k) {
      visit(static_cast<std::size_t>(b * place.units + k), b % lanes, b / lanes * place.units + k);
    }
  }
}

Shape shape_of(const Place& place, const Frame& frame) {
  Shape shape;
  for (const Dim& d : place.slot->type.dims) shape.push_back(d.is_symbolic() ? frame.batch : d.length);
  return shape;
}

template <class From>
Tensor rows(const Place& place, const Frame& frame) {
  Tensor tensor(DType::i64, shape_of(place, frame));
  auto out = tensor.data<std::int64_t>();
  std::fill(out.begin(), out.end(), 0);
  for (int share = 0; share < place.shares; ++share) {
    const auto* from = reinterpret_cast<const From*>(place.share(frame, share));
    for (std::int64_t b = 0; b < frame.batch; ++b) {
      for (std::int64_t k = 0; k < place.units; ++k)
        out[static_cast<std::size_t>(b * place.units + k)] += from[b * row_stride(place.units) + k];
    }
  }
  return tensor;
}

template <class T, class From>
Tensor numbers(const Place& place, const Frame& frame, const From* from) {
  Tensor tensor(DTypeOf<T>::value, shape_of(place, frame));
  auto out = tensor.data<T>();
  for_each_number(place, frame, [&](std::size_t i, std::int64_t lane, std::int64_t at) {
    out[i] = static_cast<T>(from[at * lanes + lane]);
  });
  return tensor;
}

/// Bytes 8 samples wide, one for each of up to 8 units: byte k holds the samples' bits of unit k.
std::uint64_t bits_of_units(const Mask* masks, std::int64_t units, std::int64_t first_sample) {
  std::uint64_t bytes = 0;
  for (std::int64_t k = 0; k < units; ++k) {
    bytes |= std::uint64_t{static_cast<std::uint8_t>(masks[k] >> first_sample)} << (8 * k);
  }
  return bytes;
}

/// The numbers of a panel, (samples, units): eight units at once, since probes of states run in every step.
void signs_by_sample(SignsIn s, std::int64_t units, std::int64_t samples, std::int8_t* out) {
  constexpr std::uint64_t ones = 0x0101010101010101u;  // of each unit the lowest bit
  for (std::int64_t k = 0; k < units; k += 8) {
    const std::int64_t n = std::min<std::int64_t>(8, units - k);
    for (std::int64_t first = 0; first < samples; first += 8) {
      const std::uint64_t plus = bits_of_units(s.plus + k, n, first);
      const std::uint64_t minus = bits_of_units(s.minus + k, n, first);
      for (std::int64_t b = first; b < std::min(samples, first + 8); ++b) {
        const std::uint64_t numbers = ((plus >> (b - first)) & ones) | ((minus >> (b - first)) & ones) * 0xff;
        if (n == 8) {
          std::memcpy(out + b * units + k, &numbers, 8);
        } else {
          std::memcpy(out + b * units + k, &numbers, static_cast<std::size_t>(n));
        }
      }
    }
  }
}

Tensor planes(const Place& place, const Frame& frame) {
  const SignsIn s = place.signs_in(frame);
  const Type& type = place.slot->type;
  const bool pair = type.elem == Elem::two;
  Tensor tensor(pair ? DType::f32 : DType::i8, shape_of(place, frame));
  if (pair) {
    float* out = tensor.data<float>().data();
    for_each_number(place, frame, [&](std::size_t i, std::int64_t lane, std::int64_t at) {
      out[i] = (s.plus[at] >> lane) & 1 ? type.a : (s.minus[at] >> lane) & 1 ? type.b : 0.0f;
    });
    return tensor;
  }
  std::int8_t* out = tensor.data<std::int8_t>().data();
  for (std::int64_t b = 0; b < frame.batch; b += lanes) {
    const std::int64_t at = b / lanes * place.units;
    const std::int64_t samples = std::min<std::int64_t>(lanes, frame.batch - b);
    signs_by_sample({s.plus + at, s.minus + at}, place.units, samples, out + b * place.units);
  }
  return tensor;
}

Shape weight_shape(const Place& place) {
  return place.index ? Shape{place.entries()} : Shape{place.senders, place.receivers};
}

/// Copies a weight between its rows as bound and as they lie: by sender, padded or by receiver. Whole rows
/// where rows are rows: a call that trains few steps spends its time here.
template <class From, class To>
void weight_to_tensor(const Place& place, const From* from, To* to) {
  if (place.index) {
    const std::vector<std::int32_t>& entry = place.index->entry;
    for (std::size_t i = 0; i < entry.size(); ++i) to[i] = static_cast<To>(from[entry[i]]);
    return;
  }
  for (std::int64_t j = 0; j < place.senders; ++j) {
    std::transform(from + j * place.stride, from + j * place.stride + place.receivers,
                   to + j * place.receivers, [](From v) { return static_cast<To>(v); });
  }
}

template <class From>
void weight_from_tensor(const Place& place, const From* from, float* to) {
  if (place.index) {
    const std::vector<std::int32_t>& entry = place.index->entry;
    for (std::size_t i = 0; i < entry.size(); ++i) to[entry[i]] = static_cast<float>(from[i]);
    return;
  }
  for (std::int64_t j = 0; j < place.senders; ++j) {
    float* row = to + j * place.stride;
    std::transform(from + j * place.receivers, from + (j + 1) * place.receivers, row,
                   [](From v) { return static_cast<float>(v); });
    std::fill(row + place.receivers, row + place.stride, 0.0f);
  }
}

}  // namespace

Tensor to_tensor(const Place& place, const Frame& frame) {
  switch (place.slot->storage) {
    case Storage::tensor: return *place.tensor;
    case Storage::signs:
    case Storage::pair: return planes(place, frame);
    case Storage::bytes: return numbers<std::uint8_t>(place, frame, place.as<std::uint8_t>());
    case Storage::reals: return numbers<float>(place, frame, place.as<float>());
    case Storage::fields:
      return frame.wide ? numbers<std::int64_t>(place, frame, place.as<std::int64_t>())
                        : numbers<std::int64_t>(place, frame, place.as<std::int32_t>());
    case Storage::field_rows:
    case Storage::partial_rows:
      return frame.wide ? rows<std::int64_t>(place, frame) : rows<std::int32_t>(place, frame);
    case Storage::dense:
    case Storage::columns: break;
    case Storage::dense_fixed:
    case Storage::columns_fixed: internal_error("q of a weight is no value of a graph");
  }
  // Correlations that count are kept finished, as float32.
  const bool counts = place.slot->type.elem == Elem::i64;
  Tensor tensor(counts ? DType::i64 : DType::f32, weight_shape(place));
  if (counts) {
    weight_to_tensor(place, place.as<float>(), tensor.data<std::int64_t>().data());
  } else {
    weight_to_tensor(place, place.as<float>(), tensor.data<float>().data());
  }
  return tensor;
}

namespace {

template <class T, class To>
void fill(const Place& place, const Tensor& tensor, const Frame& frame, To* to) {
  std::memset(static_cast<void*>(to), 0, place.bytes(frame));
  const auto from = tensor.data<T>();
  for_each_number(place, frame, [&](std::size_t i, std::int64_t lane, std::int64_t at) {
    to[at * lanes + lane] = static_cast<To>(from[i]);
  });
}

template <class To>
void fill_rows(const Place& place, const Tensor& tensor, const Frame& frame, To* to) {
  std::memset(static_cast<void*>(to), 0, place.bytes(frame));
  const auto from = tensor.data<std::int64_t>();
  for (std::int64_t b = 0; b < frame.batch; ++b) {
    for (std::int64_t k = 0; k < place.units; ++k)
      to[b * row_stride(place.units) + k] =
          static_cast<To>(from[static_cast<std::size_t>(b * place.units + k)]);
  }
}

void fill_planes(const Place& place, const Tensor& tensor, const Frame& frame) {
  const SignsOut s = place.signs(frame);
  std::memset(s.plus, 0, place.bytes(frame));
  const Type& type = place.slot->type;
  const bool pair = type.elem == Elem::two;
  for_each_number(place, frame, [&](std::size_t i, std::int64_t lane, std::int64_t at) {
    const auto bit = static_cast<Mask>(1u << lane);
    const bool plus = pair ? tensor.data<float>()[i] == type.a : tensor.data<std::int8_t>()[i] > 0;
    const bool minus = pair ? !plus && tensor.data<float>()[i] == type.b : tensor.data<std::int8_t>()[i] < 0;
    if (plus) s.plus[at] = static_cast<Mask>(s.plus[at] | bit);
    if (minus) s.minus[at] = static_cast<Mask>(s.minus[at] | bit);
  });
}

void fill_weight(const Place& place, const Tensor& tensor) {
  if (tensor.dtype() == DType::i64) {
    return weight_from_tensor(place, tensor.data<std::int64_t>().data(), place.as<float>());
  }
  weight_from_tensor(place, tensor.data<float>().data(), place.as<float>());
}

}  // namespace

void from_tensor(const Place& place, const Tensor& tensor, const Frame& frame) {
  switch (place.slot->storage) {
    case Storage::signs:
    case Storage::pair: return fill_planes(place, tensor, frame);
    case Storage::bytes: return fill<std::uint8_t>(place, tensor, frame, place.as<std::uint8_t>());
    case Storage::reals: return fill<float>(place, tensor, frame, place.as<float>());
    case Storage::fields:
      return frame.wide ? fill<std::int64_t>(place, tensor, frame, place.as<std::int64_t>())
                        : fill<std::int64_t>(place, tensor, frame, place.as<std::int32_t>());
    case Storage::field_rows:
      return frame.wide ? fill_rows(place, tensor, frame, place.as<std::int64_t>())
                        : fill_rows(place, tensor, frame, place.as<std::int32_t>());
    case Storage::dense:
    case Storage::columns: return fill_weight(place, tensor);
    case Storage::tensor:
    case Storage::partial_rows:
    case Storage::dense_fixed:
    case Storage::columns_fixed: break;
  }
  internal_error("a tensor can't be loaded into storage {}", static_cast<int>(place.slot->storage));
}

}  // namespace relaxon::executor
