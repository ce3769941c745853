// Whether an accumulator holds a message.
#pragma once

#include <map>
#include <optional>

#include "ir/graph.hpp"

namespace relaxon {

/// What an accumulator holds beside a message.
struct BesideMessage {
  ValueId base;  // invalid: nothing
};

/// What `op`, an advance, finds in its accumulator beside message(from, weight) of its map: a value that can
/// be read where `op` stands, or nothing. Proved from where the accumulator starts (as zeros or another value
/// while the sender is zeros, as a message of it, or as that and another value) through advances of both, in
/// scans too. nullopt: no proof.
std::optional<BesideMessage> beside_message(const Graph& graph, OpId op);

/// The same of every advance of a graph.
class BesideMessages {
 public:
  explicit BesideMessages(const Graph& graph);

  /// nullopt: no proof.
  std::optional<BesideMessage> of(OpId advance) const;
  /// The values that advances find there.
  const std::map<OpId, ValueId>& bases() const { return bases_; }
  bool is_base(ValueId value) const;

 private:
  std::map<OpId, BesideMessage> known_;
  std::map<OpId, ValueId> bases_;
};

}  // namespace relaxon
