#include "passes/advance.hpp"

#include <algorithm>
#include <map>

#include "core/error.hpp"
#include "ir/rewriter.hpp"
#include "passes/analysis/blocks.hpp"

namespace relaxon {
namespace {

class StrengthReduction final : public Rewriter {
 public:
  explicit StrengthReduction(const Graph& graph) : Rewriter(graph), scopes_(1) {}

 private:
  /// The message of a state through a weight (old values), and its new value.
  struct Known {
    ValueId state, weight;
    MapAttributes map;
    ValueId message;
  };

  /// A message that a scan is to carry: of which of its states, through which weight.
  struct Accumulator {
    std::size_t carry;
    ValueId weight;
    MessageAttributes attributes;
  };

  std::optional<std::vector<ValueId>> rewrite(OpId, const Op& op) override {
    if (is_exact_message(op)) {
      return std::vector{field(op.operands[0], op.operands[1], std::get<MessageAttributes>(op.attributes))};
    }
    if (!op.body) return std::nullopt;
    if (op.kind == OpKind::scan) return scan(op);
    scopes_.emplace_back();
    std::vector<ValueId> results = copy(op);
    scopes_.pop_back();
    return results;
  }

  static bool is_exact_message(const Op& op) {
    return op.kind == OpKind::message && std::get<MessageAttributes>(op.attributes).fixed;
  }

  /// The message of a state: known, or an advance from a state it came from, or computed.
  ValueId field(ValueId state, ValueId weight, const MessageAttributes& attributes) {
    for (std::optional<ValueId> at = state; at; at = earlier(*at)) {
      const std::optional<ValueId> known = find(*at, weight, attributes.map);
      if (!known) continue;
      if (*at == state) return *known;
      return keep({state, weight, attributes.map,
                   out().one(OpKind::advance, {*known, mapped(*at), mapped(state), mapped(weight)},
                             attributes, name(attributes))});
    }
    return keep({state, weight, attributes.map,
                 out().one(OpKind::message, {mapped(state), mapped(weight)}, attributes)});
  }

  static std::string name(const MessageAttributes& attributes) {
    return attributes.edge ? fmt::format("r{}", to_string(*attributes.edge)) : "r";
  }

  std::optional<ValueId> earlier(ValueId state) const {
    const auto found = earlier_.find(state);
    return found == earlier_.end() ? std::nullopt : std::optional(found->second);
  }

  std::optional<ValueId> find(ValueId state, ValueId weight, const MapAttributes& map) const {
    for (const std::vector<Known>& scope : scopes_) {
      for (const Known& k : scope) {
        if (k.state == state && k.weight == weight && k.map == map) return k.message;
      }
    }
    return std::nullopt;
  }

  ValueId keep(Known known) {
    scopes_.back().push_back(known);
    return known.message;
  }

  /// Whether a carry is a state of -1, 0, 1 that the body computes anew.
  bool is_changing_state(const Op& scan, std::size_t carry) const {
    const ValueId yielded = carry_yield(source(), scan, carry);
    const Value& value = source().value(yielded);
    return value.block == *scan.body && value.op.index >= 0 && is_ternary(value.type) &&
           is_ternary(source().type(scan.results[carry]));
  }

  std::vector<Accumulator> accumulators(const Op& scan) const {
    std::vector<Accumulator> found;
    for (const OpId id : source().block(*scan.body).ops) {
      const Op& op = source().op(id);
      if (!is_exact_message(op) || !is_outside(source(), op.operands[1], *scan.body)) continue;
      const auto& attributes = std::get<MessageAttributes>(op.attributes);
      for (std::size_t c = 0; c < scan.results.size(); ++c) {
        const bool of_state = op.operands[0] == carry_argument(source(), scan, c) ||
                              op.operands[0] == carry_yield(source(), scan, c);
        if (!of_state || !is_changing_state(scan, c)) continue;
        const bool again = std::any_of(found.begin(), found.end(), [&](const Accumulator& a) {
          return a.carry == c && a.weight == op.operands[1] && a.attributes.map == attributes.map;
        });
        if (!again) found.push_back({c, op.operands[1], attributes});
        break;
      }
    }
    return found;
  }

  std::vector<ValueId> scan(const Op& op) {
    const std::vector<Accumulator> carried = accumulators(op);
    std::vector<ValueId> starts = mapped(op.operands);
    for (const Accumulator& a : carried) {
      starts.push_back(field(op.operands[a.carry + 1], a.weight, a.attributes));
      if (out().hint(starts.back()).empty()) out().name(starts.back(), name(a.attributes));
    }
    std::vector<ValueId> arguments = out().begin(op.kind, starts, op.attributes);
    scopes_.emplace_back();
    const std::size_t states = op.results.size();
    for (std::size_t c = 0; c < states; ++c) {
      map(carry_argument(source(), op, c), arguments[c]);
      if (is_changing_state(op, c)) earlier_[carry_yield(source(), op, c)] = carry_argument(source(), op, c);
    }
    for (std::size_t i = 0; i < carried.size(); ++i) {
      out().name(arguments[states + i], name(carried[i].attributes));
      keep({carry_argument(source(), op, carried[i].carry), carried[i].weight, carried[i].attributes.map,
            arguments[states + i]});
    }
    visit_block(*op.body);
    std::vector<ValueId> yielded = mapped(source().terminator(*op.body).operands);
    for (const Accumulator& a : carried) {
      yielded.push_back(field(carry_yield(source(), op, a.carry), a.weight, a.attributes));
    }
    scopes_.pop_back();
    std::vector<ValueId> results = out().end(yielded);
    for (std::size_t c = 0; c < states; ++c) {
      if (is_changing_state(op, c)) earlier_[op.results[c]] = op.operands[c + 1];
    }
    for (std::size_t i = 0; i < carried.size(); ++i) {
      out().name(results[states + i], name(carried[i].attributes));
      keep({op.results[carried[i].carry], carried[i].weight, carried[i].attributes.map, results[states + i]});
    }
    results.resize(states);
    return results;
  }

  std::vector<std::vector<Known>> scopes_;  // of the open blocks
  std::map<ValueId, ValueId> earlier_;      // a state -> the one it came from
};

}  // namespace

Graph advance(const Graph& graph) { return StrengthReduction(graph).run(); }

}  // namespace relaxon
