// Where the slots of a plan lie while it runs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "core/bytes.hpp"
#include "core/pattern.hpp"
#include "core/tensor.hpp"
#include "passes/plan/plan.hpp"
#include "runtime/kernels/kernels.hpp"
#include "runtime/thread_team.hpp"

namespace relaxon::executor {

/// The units of a part.
inline Units units_of(std::int64_t count, ThreadPart part) {
  const std::int64_t blocks = (count + unit_block - 1) / unit_block;
  const auto from = [&](std::int64_t i) { return std::min(count, blocks * i / part.count * unit_block); };
  return {count, from(part.index), from(part.index + 1)};
}

/// The senders of a part, of those of a dense weight.
inline Units senders_of(std::int64_t count, ThreadPart part) {
  return {count, count * part.index / part.count, count * (part.index + 1) / part.count};
}

/// Calls run(share) for the shares, of as many as a plan is made for, that a part of a team takes: any team
/// runs them all.
template <class Run>
void for_each_share(int shares, ThreadPart part, Run run) {
  for (int i = part.index; i < shares; i += part.count) run(ThreadPart{i, shares});
}

/// The connections of a pattern by receiver and by sender.
struct ColumnIndex {
  /// Cut into parts of receivers, as units_of() does.
  ColumnIndex(const PatternPtr& pattern, int parts);

  PatternPtr pattern;
  std::int64_t senders = 0, receivers = 0;
  std::vector<std::int32_t> offsets, sender, order;  // compressed columns
  std::vector<std::int32_t> row_offsets, receiver;   // compressed rows
  std::vector<std::vector<std::int32_t>> cuts;       // where each sender's row passes into the next part
  std::vector<std::int32_t> entry;                   // position among the columns of each entry by sender
  std::vector<std::int32_t> diagonal;                // fixed entries, ascending positions among the columns
  std::int64_t longest_column = 0;

  template <class T>
  SparseWeight<T> weight(T* entries) const {
    return {entries, offsets.data(), sender.data(), order.data(), senders, receivers};
  }
  /// The connections by sender to the receivers of a part, one of as many as this was made for, or of all.
  SenderIndex rows(ThreadPart part) const {
    if (part.count == 1) return {row_offsets.data(), row_offsets.data() + 1, receiver.data(), entry.data()};
    const auto& first = cuts[static_cast<std::size_t>(part.index)];
    const auto& last = cuts[static_cast<std::size_t>(part.index) + 1];
    return {first.data(), last.data(), receiver.data(), entry.data()};
  }
};

/// What follows from a pattern alone: made when it is first asked for, and again for another pattern. For any
/// thread.
template <class T>
class OfPattern {
 public:
  template <class Make>
  const T& of(const ColumnIndex& index, Make make) {
    const std::lock_guard lock(mutex_);
    if (pattern_ != index.pattern) value_.emplace(make());
    pattern_ = index.pattern;
    return *value_;
  }

 private:
  std::mutex mutex_;
  PatternPtr pattern_;  // held, so that no other pattern can come to lie where it does
  std::optional<T> value_;
};

/// What changes while a plan runs.
struct Frame {
  std::int64_t batch = 0;   // samples at hand
  std::int64_t panels = 0;  // panels they take
  bool wide = true;         // fields are int64
  std::uint64_t run = 0;    // counts runs: what depends on bindings alone is made once a run
  std::vector<std::int64_t> loops;

  void set_batch(std::int64_t samples) {
    batch = samples;
    panels = panels_of(samples);
  }
};

/// One slot. Batch-innermost storages hold the panels of the batch at hand, one after the other; the two bit
/// planes of signs and pairs likewise, plus then minus.
struct Place {
  const Slot* slot = nullptr;
  std::int64_t units = 0;                               // numbers per sample
  int shares = 1;                                       // of partial_rows, one after the other
  std::int64_t senders = 0, receivers = 0, stride = 0;  // weights
  const ColumnIndex* index = nullptr;                   // sparse weights
  std::byte* data = nullptr;                            // in the arena
  TensorPtr tensor;                                     // Storage::tensor, as bound or made
  std::span<const std::int32_t> next;                   // of a slice: what the next one will hold, if known
  std::uint64_t version = 0;                            // of a weight: counts writes; of q: the weight's

  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
  /// Whether it holds two bit planes.
  bool is_planes() const { return slot->storage == Storage::signs || slot->storage == Storage::pair; }
  SignsOut signs(const Frame& frame) const { return {as<Mask>(), as<Mask>() + frame.panels * units}; }
  SignsIn signs_in(const Frame& frame) const { return {as<Mask>(), as<Mask>() + frame.panels * units}; }
  DenseWeight<float> dense() const { return {as<float>(), senders, receivers, stride}; }
  DenseWeight<const float> dense_weights() const { return {as<const float>(), senders, receivers, stride}; }
  DenseWeight<const std::int32_t> dense_fixed() const {
    return {as<const std::int32_t>(), senders, receivers, stride};
  }
  SparseWeight<float> columns() const { return index->weight(as<float>()); }
  SparseWeight<const std::int32_t> columns_fixed() const { return index->weight(as<const std::int32_t>()); }
  /// Entries of a weight as they lie, padding included.
  std::int64_t entries() const {
    return index ? static_cast<std::int64_t>(index->sender.size()) : senders * stride;
  }
  /// Bytes that the value takes at the batch at hand.
  std::size_t bytes(const Frame& frame) const;
  /// One of the shares.
  std::byte* share(const Frame& frame, int index) const {
    return data + bytes(frame) / static_cast<std::size_t>(shares) * static_cast<std::size_t>(index);
  }

  /// What lies below one of the shares of a message that is added to this place: the same share, or, of whole
  /// fields below partial rows, everything for the first and nothing for the others.
  const std::byte* below(const Frame& frame, ThreadPart share) const {
    if (shares == share.count) return this->share(frame, share.index);
    return share.first() ? data : nullptr;
  }

  /// For tensors that a step makes: allocated once, then reused while the shape stays.
  Tensor& own_tensor(DType dtype, const Shape& shape);

 private:
  std::shared_ptr<Tensor> owned_;
};

/// Calls visit(first byte, bytes) for the stretches of a place that a part's steps write, and it finds in its
/// cache: of values with a batch axis its units, of partial rows its shares; other places are cut into even
/// parts.
template <class Visit>
void for_each_stretch(const Place& place, const Frame& frame, ThreadPart part, Visit visit) {
  const std::size_t all = place.bytes(frame);
  if (part.count == 1) return visit(std::size_t{0}, all);
  const Units units = units_of(place.units, part);
  const bool last = units.end == units.count;
  // So many stretches of so many units each.
  const auto cut = [&](std::int64_t stretches, std::int64_t length) {
    if (stretches == 0) return;
    const std::size_t each = all / static_cast<std::size_t>(stretches);
    const std::size_t unit = each / static_cast<std::size_t>(length);
    const auto begin = static_cast<std::size_t>(units.begin) * unit;
    const std::size_t end = last ? each : static_cast<std::size_t>(units.end) * unit;
    for (std::size_t i = 0; i < static_cast<std::size_t>(stretches); ++i)
      visit(i * each + begin, end - begin);
  };
  switch (place.slot->storage) {
    case Storage::signs:
    case Storage::pair: return cut(2 * frame.panels, place.units);
    case Storage::bytes:
    case Storage::reals:
    case Storage::fields: return cut(frame.panels, place.units);
    case Storage::field_rows: return cut(frame.panels * lanes, row_stride(place.units));
    case Storage::partial_rows: {
      const std::size_t each = all / static_cast<std::size_t>(place.shares);
      return for_each_share(place.shares, part, [&](ThreadPart share) {
        visit(static_cast<std::size_t>(share.index) * each, each);
      });
    }
    default: break;
  }
  const auto from = [&](int index) {
    return all * static_cast<std::size_t>(index) / static_cast<std::size_t>(part.count);
  };
  visit(from(part.index), from(part.index + 1) - from(part.index));
}

/// Copies the cache lines that differ. Those that stay as they are need not be taken from other cores, which
/// read them: most of a state does from one iteration to the next.
void copy_changes(std::byte* to, const std::byte* from, std::size_t bytes);

/// States that several threads write parts of, for all to read: each makes its part in memory of its own,
/// then copies what has changed. One thread writes in place.
class SharedSigns {
 public:
  explicit SharedSigns(int threads) : own_(static_cast<std::size_t>(threads)) {}

  /// Calls make(planes), which are to get the signs of a part's units.
  template <class Make>
  void write(const Place& to, const Frame& frame, ThreadPart part, Make make) {
    if (part.count == 1) return make(to.signs(frame));
    const std::size_t bytes = to.bytes(frame);
    std::vector<Mask>& own = own_[static_cast<std::size_t>(part.index)];
    if (own.size() * sizeof(Mask) < bytes) own.resize(bytes / sizeof(Mask));
    make(SignsOut{own.data(), own.data() + frame.panels * to.units});
    for_each_stretch(to, frame, part, [&](std::size_t at, std::size_t length) {
      copy_changes(to.data + at, reinterpret_cast<const std::byte*>(own.data()) + at, length);
    });
  }

 private:
  std::vector<std::vector<Mask>> own_;  // of each thread, as the planes lie
};

/// All slots of a plan, in one arena: slots whose live ranges don't meet share memory.
class Memory {
 public:
  /// For a plan that `parts` threads run.
  Memory(const Plan& plan, int parts);

  /// Makes room for batches of up to `batch` samples and the given connections. Contents are lost if anything
  /// had to move; whether it had.
  bool prepare(std::int64_t batch, const std::vector<PatternPtr>& patterns);

  Place& operator[](SlotId id) { return places_[static_cast<std::size_t>(id.index)]; }
  const Place& operator[](SlotId id) const { return places_[static_cast<std::size_t>(id.index)]; }
  const std::vector<PatternPtr>& patterns() const { return patterns_; }
  std::size_t arena_bytes() const { return arena_bytes_; }
  /// Whether two slots lie in the same memory, in part at least.
  bool overlap(SlotId a, SlotId b) const;
  /// 0 .. capacity-1, for gathers of rows as they stand.
  const std::int32_t* identity() const { return identity_.data(); }

 private:
  std::size_t slot_bytes(const Place& place, std::int64_t panels) const;
  void assign_offsets(std::int64_t panels);

  const Plan& plan_;
  int parts_;
  struct Extent {
    std::size_t offset = 0, bytes = 0;  // in the arena
  };

  std::vector<Place> places_;
  std::vector<Extent> extents_;  // of places
  std::vector<PatternPtr> patterns_;
  std::vector<std::unique_ptr<ColumnIndex>> indices_;
  std::vector<std::int32_t> identity_;
  std::int64_t capacity_ = 0;
  std::size_t arena_bytes_ = 0;
  Bytes arena_;
};

/// The value of a slot as the interpreter has it, and back.
Tensor to_tensor(const Place& place, const Frame& frame);
void from_tensor(const Place& place, const Tensor& tensor, const Frame& frame);

}  // namespace relaxon::executor
