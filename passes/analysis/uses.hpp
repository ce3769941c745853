// Who uses which value.
#pragma once

#include <vector>

#include "ir/graph.hpp"

namespace relaxon {

/// The users of every value of a graph, terminators included; an op that uses a value twice is there twice.
class Uses {
 public:
  explicit Uses(const Graph& graph);
  const std::vector<OpId>& of(ValueId value) const { return users_[static_cast<std::size_t>(value.index)]; }

 private:
  std::vector<std::vector<OpId>> users_;
};

}  // namespace relaxon
