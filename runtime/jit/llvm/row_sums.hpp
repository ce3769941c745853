// Sums of fields that lie by sample, sixteen units by sixteen samples at a time, and what is asked of them.
#pragma once

#include "runtime/jit/llvm/emitter.hpp"
#include "runtime/jit/operation.hpp"

namespace relaxon::jit {

/// The sum of sixteen fields of each message from `index` on.
V sum_of(Emitter& e, const Values& messages, V index);

class RowSums {
 public:
  /// Of the function's first operands.
  RowSums(Emitter& e, std::int64_t units, const Summands& messages);

  /// body(panel, first unit) for the blocks of a call.
  void for_each_block(const std::function<void(V, V)>& body);
  /// Moves to a block.
  void start(V panel, V k);
  /// The sums of a sample's units; those behind the last may be anything.
  V at(V lane);
  /// Where they lie.
  V place(V panel, V lane, V k) { return e_.scaled(e_.scaled(panel, lanes, lane), stride_, k); }
  V place(V lane) { return place(panel_, lane, k_); }
  /// The messages by lane, summed and turned: a register a sample.
  Values turned(V panel, V k);

  /// Moves to a block; for each condition on a sample's sums a register of masks, one a unit.
  using Condition = std::function<V(V sums)>;
  Values masks(V panel, V k, const std::vector<Condition>& conditions);
  /// Masks of a block's units; those behind the last unit aren't touched.
  V load_masks(V plane, V panel, V k);
  void store_masks(V masks, V plane, V panel, V k);

 private:
  Emitter& e_;
  std::int64_t units_, stride_;
  Values by_lane_, by_sample_;
  V panel_ = nullptr, k_ = nullptr;
  V block_ = nullptr, turned_ = nullptr;  // scratch: sums by lane, and turned
};

}  // namespace relaxon::jit
