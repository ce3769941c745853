#include "passes/analysis/uses.hpp"

namespace relaxon {

Uses::Uses(const Graph& graph) : users_(graph.value_count()) {
  for (std::size_t i = 0; i < graph.op_count(); ++i) {
    const OpId id{static_cast<std::int32_t>(i)};
    for (const ValueId operand : graph.op(id).operands) {
      users_[static_cast<std::size_t>(operand.index)].push_back(id);
    }
  }
}

}  // namespace relaxon
