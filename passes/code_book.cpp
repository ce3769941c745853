#include "passes/code_book.hpp"

#include <algorithm>
#include <map>

#include "ir/op_info.hpp"
#include "ir/rewriter.hpp"

namespace relaxon {
namespace {

constexpr std::int64_t most_rows = 4096;

bool has_symbols(const Type& type) {
  return std::any_of(type.dims.begin(), type.dims.end(), [](const Dim& d) { return d.is_symbolic(); });
}

class Tabulation final : public Rewriter {
 public:
  using Rewriter::Rewriter;

 private:
  struct Rows {
    ValueId table;  // of the new graph
    ValueId index;  // of the old one
  };

  std::optional<std::vector<ValueId>> rewrite(OpId, const Op& op) override {
    if (op.kind == OpKind::loop) tabulate(*op.body, *op.body);
    if (op.kind == OpKind::take || op.results.size() != 1 || !rows_.contains(op.results[0]))
      return std::nullopt;
    const Rows& rows = rows_.at(op.results[0]);
    return out().append(OpKind::take, {rows.table, mapped(rows.index)});
  }

  /// Builds, before a loop, the tables of what stands in a block of its body.
  void tabulate(BlockId block, BlockId loop) {
    for (const OpId id : source().block(block).ops) {
      const Op& op = source().op(id);
      if (op.body) tabulate(*op.body, loop);
      if (op.results.size() != 1 || rows_.contains(op.results[0])) continue;
      if (is_lookup(op, loop)) rows_[op.results[0]] = {mapped(op.operands[0]), op.operands[1]};
      if (commutes(op, loop)) tabulate(op);
    }
  }

  void tabulate(const Op& op) {
    const Rows sender = rows_.at(op.operands[0]);
    std::vector<ValueId> operands{sender.table};
    for (std::size_t i = 1; i < op.operands.size(); ++i) operands.push_back(mapped(op.operands[i]));
    rows_[op.results[0]] = {out().append(op.kind, operands, op.attributes)[0], sender.index};
  }

  bool is_lookup(const Op& op, BlockId loop) const {
    if (op.kind != OpKind::take || !is_outside(source(), op.operands[0], loop)) return false;
    const Dim rows = source().type(op.operands[0]).dims[0];
    return !rows.is_symbolic() && rows.length <= most_rows && source().type(op.operands[1]).rank() == 1;
  }

  bool commutes(const Op& op, BlockId loop) const {
    return has_trait(op.kind, trait::rows) && rows_.contains(op.operands[0]) &&
           std::all_of(op.operands.begin() + 1, op.operands.end(), [&](ValueId v) {
             return is_outside(source(), v, loop) && !has_symbols(source().type(v));
           });
  }

  std::map<ValueId, Rows> rows_;  // old values that are rows of a table outside the loop
};

}  // namespace

Graph code_book(const Graph& graph) { return Tabulation(graph).run(); }

}  // namespace relaxon
