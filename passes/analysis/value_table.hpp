// Which values have been computed: equal ops on equal operands give equal results.
#pragma once

#include <vector>

#include "ir/graph.hpp"

namespace relaxon {

/// What an op computes, whatever its results are called.
struct Expression {
  OpKind kind = OpKind::zeros;
  std::vector<ValueId> operands;
  Attributes attributes;
  int batch = 0;  // which of the lengths that the batch axis takes in turn
  bool operator==(const Expression&) const = default;
};

/// Whether equal expressions of the kind are equal values: no bindings, effects, bodies or terminators.
bool is_expression(const Op& op);

/// Expressions and their values, in nested scopes.
class ValueTable {
 public:
  /// The values of an equal expression of an open scope; nullptr if there is none.
  const std::vector<ValueId>* find(const Expression& expression) const;
  void add(Expression expression, std::vector<ValueId> values);
  void open_scope() { scopes_.push_back(entries_.size()); }
  void close_scope();

 private:
  struct Entry {
    Expression expression;
    std::vector<ValueId> values;
  };
  std::vector<Entry> entries_;
  std::vector<std::size_t> scopes_;  // how many entries each open one found
};

}  // namespace relaxon
