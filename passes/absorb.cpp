#include "passes/absorb.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "ir/rewriter.hpp"
#include "passes/analysis/blocks.hpp"
#include "passes/analysis/uses.hpp"

namespace relaxon {
namespace {

/// The values that one carried message takes on, from its starts through scans and advances.
struct Carried {
  bool stays = false;               // something reads it that can't have more in it
  std::vector<OpId> starts;         // scans and advances that begin with a value from elsewhere
  std::vector<OpId> fields;         // aggregates with one of its values
  std::vector<ValueId> terms = {};  // what it absorbs
};

/// Finds the carried messages of a graph and what each of them absorbs.
class CarriedMessages {
 public:
  explicit CarriedMessages(const Graph& graph)
      : graph_(graph), uses_(graph), parents_(graph.value_count(), -1) {
    // Ops are numbered in the order of the text.
    for (OpId id{0}; id.index < static_cast<std::int32_t>(graph.op_count()); ++id.index) define(graph.op(id));
    for (OpId id{0}; id.index < static_cast<std::int32_t>(graph.op_count()); ++id.index)
      connect(id, graph.op(id));
    for (std::size_t i = 0; i < parents_.size(); ++i) {
      if (parents_[i] >= 0) look_at_uses(ValueId{static_cast<std::int32_t>(i)});
    }
    for (auto& [root, carried] : messages_) choose_terms(carried);
  }

  /// The message that a value belongs to, or null.
  const Carried* of(ValueId value) const {
    const std::int32_t root = find(value);
    return root < 0 ? nullptr : &messages_.at(root);
  }

  /// Whether some message has absorbed this term of an aggregate.
  bool absorbed(OpId aggregate, ValueId term) const { return absorbed_.contains({aggregate, term}); }

 private:
  static std::size_t index(ValueId value) { return static_cast<std::size_t>(value.index); }
  std::int32_t find(ValueId value) const {
    std::int32_t at = value.index;
    if (parents_[index(value)] < 0) return -1;
    while (parents_[static_cast<std::size_t>(at)] != at) at = parents_[static_cast<std::size_t>(at)];
    return at;
  }
  void join(ValueId a, ValueId b) {
    const std::int32_t from = std::max(find(a), find(b)), to = std::min(find(a), find(b));
    if (from == to) return;
    parents_[static_cast<std::size_t>(from)] = to;
    Carried& more = messages_[from];
    Carried& own = messages_[to];
    own.starts.insert(own.starts.end(), more.starts.begin(), more.starts.end());
    messages_.erase(from);
  }
  void is_carried(ValueId value) {
    parents_[index(value)] = value.index;
    messages_[value.index] = {};
  }

  bool is_field(ValueId value) const { return graph_.type(value).elem == Elem::fix; }

  /// Results of advances, and fields that scans carry.
  void define(const Op& op) {
    if (op.kind == OpKind::advance) is_carried(op.results[0]);
    if (op.kind != OpKind::scan) return;
    for (std::size_t c = 0; c < op.results.size(); ++c) {
      if (!is_field(op.results[c])) continue;
      is_carried(op.results[c]);
      is_carried(carry_argument(graph_, op, c));
    }
  }

  void begin(ValueId message, OpId op, ValueId start) {
    if (find(start) >= 0) {
      join(message, start);
    } else {
      messages_[find(message)].starts.push_back(op);
    }
  }

  void connect(OpId id, const Op& op) {
    if (op.kind == OpKind::advance) begin(op.results[0], id, op.operands[0]);
    if (op.kind != OpKind::scan) return;
    for (std::size_t c = 0; c < op.results.size(); ++c) {
      if (!is_field(op.results[c])) continue;
      const ValueId argument = carry_argument(graph_, op, c), yielded = carry_yield(graph_, op, c);
      join(op.results[c], argument);
      begin(argument, id, op.operands[c + 1]);
      // A value from outside that an iteration yields begins the next one.
      if (find(yielded) < 0) messages_[find(argument)].stays = true;
      if (find(yielded) >= 0) join(argument, yielded);
    }
  }

  void look_at_uses(ValueId value) {
    Carried& own = messages_[find(value)];
    for (const OpId id : uses_.of(value)) {
      const Op& user = graph_.op(id);
      switch (user.kind) {
        case OpKind::aggregate: own.fields.push_back(id); break;
        case OpKind::advance:
        case OpKind::scan: break;
        case OpKind::yield:
          own.stays |= graph_.op(*graph_.block(user.block).owner).kind != OpKind::scan;
          break;
        default: own.stays = true;
      }
    }
  }

  /// Terms that all of its fields have, once, that no other message has taken, and that are there when it
  /// starts.
  void choose_terms(Carried& own) {
    if (own.stays || own.fields.empty() || own.starts.empty()) return;
    const std::set<OpId> fields(own.fields.begin(), own.fields.end());
    if (fields.size() != own.fields.size()) return;
    for (const ValueId term : graph_.op(own.fields[0]).operands) {
      const bool everywhere = std::all_of(fields.begin(), fields.end(), [&](OpId field) {
        const std::vector<ValueId>& all = graph_.op(field).operands;
        return std::count(all.begin(), all.end(), term) == 1 && !absorbed(field, term);
      });
      const bool before = std::all_of(own.starts.begin(), own.starts.end(),
                                      [&](OpId start) { return is_defined_at(graph_, term, start); });
      if (everywhere && before && find(term) < 0) own.terms.push_back(term);
    }
    for (const OpId field : fields) {
      for (const ValueId term : own.terms) absorbed_.insert({field, term});
    }
  }

  const Graph& graph_;
  Uses uses_;
  std::vector<std::int32_t> parents_;  // of values; -1: no carried message
  std::map<std::int32_t, Carried> messages_;
  std::set<std::pair<OpId, ValueId>> absorbed_;
};

class Absorption final : public Rewriter {
 public:
  explicit Absorption(const Graph& graph) : Rewriter(graph), carried_(graph) {}

 private:
  std::optional<std::vector<ValueId>> rewrite(OpId id, const Op& op) override {
    switch (op.kind) {
      case OpKind::aggregate: return aggregate(id, op);
      case OpKind::advance: {
        std::vector<ValueId> operands = mapped(op.operands);
        operands[0] = start_of(op.results[0], op.operands[0]);
        return out().append(op.kind, operands, op.attributes);
      }
      case OpKind::scan: return scan(op);
      default: return std::nullopt;
    }
  }

  std::optional<std::vector<ValueId>> aggregate(OpId id, const Op& op) {
    std::vector<ValueId> terms;
    for (const ValueId term : op.operands) {
      if (!carried_.absorbed(id, term)) terms.push_back(mapped(term));
    }
    if (terms.size() == op.operands.size()) return std::nullopt;
    if (terms.size() == 1) return terms;
    return out().append(op.kind, terms);
  }

  std::vector<ValueId> scan(const Op& op) {
    std::vector<ValueId> operands = mapped(op.operands);
    for (std::size_t c = 0; c < op.results.size(); ++c)
      operands[c + 1] = start_of(carry_argument(source(), op, c), op.operands[c + 1]);
    map(source().block(*op.body).arguments, out().begin(op.kind, operands, op.attributes));
    visit_block(*op.body);
    return out().end(mapped(source().terminator(*op.body).operands));
  }

  /// What a carried message begins with, in place of `start`.
  ValueId start_of(ValueId message, ValueId start) {
    const Carried* carried = carried_.of(message);
    if (!carried || carried->terms.empty() || carried_.of(start)) return mapped(start);
    std::vector<ValueId> terms = mapped(carried->terms);
    const Op* made = source().definition(start);
    if (!made || made->kind != OpKind::zeros) terms.push_back(mapped(start));
    return terms.size() == 1 ? terms[0] : out().one(OpKind::aggregate, terms);
  }

  CarriedMessages carried_;
};

}  // namespace

Graph absorb(const Graph& graph) { return Absorption(graph).run(); }

}  // namespace relaxon
