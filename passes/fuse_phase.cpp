#include "passes/fuse_phase.hpp"

#include <algorithm>
#include <map>

#include "ir/rewriter.hpp"
#include "passes/analysis/blocks.hpp"
#include "passes/analysis/uses.hpp"

namespace relaxon {
namespace {

class PhaseFusion final : public Rewriter {
 public:
  explicit PhaseFusion(const Graph& graph) : Rewriter(graph), uses_(graph) {
    for (std::size_t i = 0; i < graph.op_count(); ++i) {
      const OpId id{static_cast<std::int32_t>(i)};
      if (const auto first = continued(graph.op(id), id)) {
        before_[id] = *first;
        after_[*first] = id;
      }
    }
  }

 private:
  bool may_fuse(const Op& op) const {
    return op.kind == OpKind::scan && std::get<ScanAttributes>(op.attributes).until_unchanged.empty() &&
           !op.results.empty() && !contains(source(), *op.body, OpKind::probe);
  }

  /// The scan that this one goes on with, and nothing else does.
  std::optional<OpId> continued(const Op& op, OpId id) const {
    if (!may_fuse(op)) return std::nullopt;
    const OpId first = source().value(op.operands[1]).op;
    if (first.index < 0) return std::nullopt;
    const Op& other = source().op(first);
    if (!may_fuse(other) || other.block != op.block || other.results.size() != op.results.size() ||
        slices_between(source(), first, id)) {
      return std::nullopt;
    }
    for (std::size_t c = 0; c < op.results.size(); ++c) {
      const ValueId passed_on = other.results[c];
      if (op.operands[c + 1] != passed_on || uses_.of(passed_on) != std::vector<OpId>{id})
        return std::nullopt;
    }
    return equal(source(), *other.body, *op.body) ? std::optional(first) : std::nullopt;
  }

  std::optional<std::vector<ValueId>> rewrite(OpId id, const Op& op) override {
    if (after_.contains(id)) return std::vector<ValueId>(op.results.size());
    if (!before_.contains(id)) return std::nullopt;
    std::vector<OpId> phases{id};
    while (before_.contains(phases.back())) phases.push_back(before_.at(phases.back()));
    std::reverse(phases.begin(), phases.end());
    std::vector<ValueId> operands = mapped(source().op(phases[0]).operands);
    for (std::size_t p = 1; p < phases.size(); ++p) {
      operands[0] =
          out().one(OpKind::add, {operands[0], mapped(source().op(phases[p]).operands[0])}, {}, "iterations");
    }
    map(source().block(*op.body).arguments, out().begin(OpKind::scan, operands, op.attributes));
    visit_block(*op.body);
    return out().end(mapped(source().terminator(*op.body).operands));
  }

  Uses uses_;
  std::map<OpId, OpId> before_, after_;  // scan -> the one it goes on with, the one that goes on with it
};

}  // namespace

Graph fuse_phase(const Graph& graph) { return PhaseFusion(graph).run(); }

}  // namespace relaxon
