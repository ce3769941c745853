// Rebuilds scans and loops with some of their carries left out.
#pragma once

#include <vector>

#include "ir/rewriter.hpp"

namespace relaxon {

class CarryRewriter : public Rewriter {
 protected:
  using Rewriter::Rewriter;

  /// Copies a scan or loop with the carries that are kept. The arguments of the others are mapped before, or
  /// not used; their results are ValueId{}.
  std::vector<ValueId> copy_carries(const Op& op, const std::vector<bool>& kept);
};

/// Whether a scan watches a carry for its early exit. Without it the scan would end elsewhere.
bool is_watched(const Op& op, std::size_t carry);

}  // namespace relaxon
