#include "passes/analysis/value_table.hpp"

#include <algorithm>

#include "ir/op_info.hpp"

namespace relaxon {

bool is_expression(const Op& op) {
  if (has_trait(op.kind, trait::effect | trait::region | trait::terminator)) return false;
  // 0 and -0 compare equal and are different constants.
  const auto* constant = std::get_if<ConstantAttributes>(&op.attributes);
  return op.kind != OpKind::slice && (!constant || constant->elem == Elem::i32 || constant->real != 0);
}

const std::vector<ValueId>* ValueTable::find(const Expression& expression) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& e) { return e.expression == expression; });
  return found == entries_.end() ? nullptr : &found->values;
}

void ValueTable::add(Expression expression, std::vector<ValueId> values) {
  entries_.push_back({std::move(expression), std::move(values)});
}

void ValueTable::close_scope() {
  entries_.resize(scopes_.back());
  scopes_.pop_back();
}

}  // namespace relaxon
