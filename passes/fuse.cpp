#include "passes/fuse.hpp"

#include <algorithm>
#include <map>

#include "ir/rewriter.hpp"
#include "passes/analysis/blocks.hpp"
#include "passes/analysis/uses.hpp"

namespace relaxon {
namespace {

/// Ops that become one region, in order. It stands where `place` does.
struct Group {
  OpId place;
  std::vector<OpId> ops;
};

class Grouping {
 public:
  explicit Grouping(const Graph& graph) : graph_(graph), uses_(graph) {
    for (std::size_t i = 0; i < graph.op_count(); ++i) {
      const OpId id{static_cast<std::int32_t>(i)};
      const Op& op = graph.op(id);
      const auto owner = graph.block(op.block).owner;
      if (owner && graph.op(*owner).kind == OpKind::fuse) continue;
      if (op.kind == OpKind::aggregate) add(epilogue(id, op));
      if (op.kind == OpKind::apply) add(step(id, op));
    }
  }

  /// The group that stands at an op; nullptr if there is none.
  const Group* at(OpId op) const {
    const auto found = groups_.find(op);
    return found == groups_.end() ? nullptr : &found->second;
  }
  bool contains(OpId op) const {
    return std::any_of(groups_.begin(), groups_.end(), [&](const auto& g) { return holds(g.second, op); });
  }
  /// The results of a group that something outside it uses.
  std::vector<ValueId> yields(const Group& group) const {
    std::vector<ValueId> values;
    for (const OpId op : group.ops) {
      for (const ValueId result : graph_.op(op).results) {
        const std::vector<OpId>& users = uses_.of(result);
        if (!std::all_of(users.begin(), users.end(), [&](OpId user) { return holds(group, user); }))
          values.push_back(result);
      }
    }
    return values;
  }

 private:
  static bool holds(const Group& group, OpId op) {
    return std::find(group.ops.begin(), group.ops.end(), op) != group.ops.end();
  }

  void add(Group group) {
    if (group.ops.size() > 1) groups_.emplace(group.place, std::move(group));
  }

  Group epilogue(OpId id, const Op& aggregate) const {
    Group group{id, {id}};
    const ValueId h = aggregate.results[0];
    for (const OpId user : uses_.of(h)) {
      const Op& op = graph_.op(user);
      const bool pointwise =
          op.kind == OpKind::threshold || (op.kind == OpKind::error && op.operands[1] == h);
      const bool ready = std::all_of(op.operands.begin(), op.operands.end(), [&](ValueId v) {
        return v == h ||
               graph_.value(v).op < id;  // ops are numbered in order; arguments of blocks come before all
      });
      if (op.block == aggregate.block && pointwise && ready && !holds(group, user)) group.ops.push_back(user);
    }
    return group;
  }

  Group step(OpId id, const Op& apply) const {
    Group group{id, {}};
    const ValueId s = apply.operands[apply.operands.size() - 2];
    const Op* op = graph_.definition(s);
    bool fits;
    if (op && op->kind == OpKind::subtract) {
      fits = op->operands[0] != op->operands[1] && joins(op->operands[0], OpKind::correlate, id, group) &&
             joins(op->operands[1], OpKind::correlate, id, group) && joins(s, OpKind::subtract, id, group);
    } else {
      fits = joins(s, OpKind::correlate, id, group);
    }
    if (!fits) group.ops.clear();
    group.ops.push_back(id);
    return group;
  }

  /// Adds what makes a value, if it is an op of the kind, used once, that may move to where `place` stands.
  bool joins(ValueId value, OpKind kind, OpId place, Group& group) const {
    const Op* op = graph_.definition(value);
    const OpId id = graph_.value(value).op;
    if (!op || op->kind != kind || op->block != graph_.op(place).block || uses_.of(value).size() != 1 ||
        slices_between(graph_, id, place))
      return false;
    group.ops.push_back(id);
    return true;
  }

  const Graph& graph_;
  Uses uses_;
  std::map<OpId, Group> groups_;
};

class RegionBuilder final : public Rewriter {
 public:
  explicit RegionBuilder(const Graph& graph) : Rewriter(graph), groups_(graph) {}

 private:
  std::optional<std::vector<ValueId>> rewrite(OpId id, const Op& op) override {
    if (const Group* group = groups_.at(id)) {
      build(*group);
    } else if (!groups_.contains(id)) {
      return std::nullopt;
    }
    std::vector<ValueId> values;
    for (const ValueId result : op.results) {
      const auto yielded = yielded_.find(result);
      values.push_back(yielded == yielded_.end() ? ValueId{} : yielded->second);
    }
    return values;
  }

  void build(const Group& group) {
    out().begin(OpKind::fuse, {});
    for (const OpId id : group.ops) {
      const Op& op = source().op(id);
      map(op.results, copy(op));
    }
    const std::vector<ValueId> yields = groups_.yields(group);
    const std::vector<ValueId> results = out().end(mapped(yields));
    for (std::size_t i = 0; i < yields.size(); ++i) yielded_[yields[i]] = results[i];
  }

  Grouping groups_;
  std::map<ValueId, ValueId> yielded_;  // results of the regions built
};

}  // namespace

Graph fuse(const Graph& graph) { return RegionBuilder(graph).run(); }

}  // namespace relaxon
