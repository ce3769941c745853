// When values and slots are needed for the last time.
#pragma once

#include <map>
#include <vector>

#include "passes/plan/plan.hpp"

namespace relaxon {

/// Last uses of the values of a graph. A fused region counts as the block it stands in.
class LastUses {
 public:
  /// `more`: values that ops use beside their operands.
  explicit LastUses(const Graph& graph, const std::map<OpId, ValueId>& more = {});

  /// Whether nothing needs `value` after `op` any more: both stand in the same block, no later op of it nor
  /// any body uses the value, and op's own body doesn't either. Then op may overwrite it.
  bool dies_at(ValueId value, OpId op) const;

 private:
  struct Use {
    std::int32_t position = -1;
    bool inside_body = false;  // also (or only) in the body of the op at `position`
  };
  void scan(BlockId block, BlockId home, const std::map<OpId, ValueId>& more, std::int32_t& position);
  void use(ValueId value, BlockId home, std::int32_t position);
  BlockId home_of(BlockId block) const;

  const Graph& graph_;
  std::vector<std::int32_t> positions_;  // of ops, in their home block
  std::vector<Use> uses_;                // of values
};

/// Sets first and last of every slot of a plan.
void assign_live_ranges(Plan& plan);

}  // namespace relaxon
