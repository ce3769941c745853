// What exact messages of dense weights and their changes share: rows of q are added to fields by sample, a
// tile of receivers at a time, by the bits of blocks of senders.
#pragma once

#include "runtime/jit/llvm/emitter.hpp"

namespace relaxon::jit {

/// body(first receiver, registers of 16) for tiles that cover the receivers, padding included: as wide as
/// there are registers for their sums, as a sample's senders are picked again for each. There are tiles of
/// two sizes at most.
void for_each_tile(Emitter& e, std::int64_t receivers, const std::function<void(V, std::int64_t)>& body);

/// sum[r] +- the registers of a row from `row` on.
Values add_row(Emitter& e, Values sum, V row, bool negative);
/// Registers of zeros.
Values zeros_of(Emitter& e, std::int64_t registers);

/// The senders of a call from j on, as many as a word has bits.
class SenderBlock {
 public:
  static constexpr std::int64_t count = 64;

  SenderBlock(Emitter& e, std::int64_t senders, V panel, V j);
  /// Masks that hold theirs.
  V masks(V plane) const;
  /// A bit for each of them.
  V all() const { return own_; }
  /// The same where a condition for each mask holds.
  V bits(V condition) const;
  /// Leaves such bits of each sample in `words`, from masks.
  void spread(V masks, V words) const;

 private:
  Emitter& e_;
  std::int64_t senders_;
  V skipped_, at_, own_;
};

}  // namespace relaxon::jit
