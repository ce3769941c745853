#include "ir/graph.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace relaxon {

std::vector<std::string> Graph::pattern_names() const {
  std::vector<std::string> names;
  for (const PatternDeclaration& p : patterns_) names.push_back(p.name);
  return names;
}

const Op* Graph::definition(ValueId id) const {
  const OpId op = value(id).op;
  return op.index < 0 ? nullptr : &this->op(op);
}

const BindingAttributes& Graph::binding(std::size_t index) const {
  return std::get<BindingAttributes>(op(bindings_.at(index)).attributes);
}

bool Graph::has_binding(std::string_view name) const {
  return std::any_of(bindings_.begin(), bindings_.end(), [&](OpId id) {
    return std::get<BindingAttributes>(op(id).attributes).name == name;
  });
}

std::size_t Graph::binding_index(std::string_view name) const {
  for (std::size_t i = 0; i < bindings_.size(); ++i) {
    if (binding(i).name == name) return i;
  }
  fail("graph {}: no input or param is named \"{}\"", name_, name);
}

const std::vector<std::string>& Graph::result_names() const {
  return std::get<NamesAttributes>(terminator(body()).attributes).names;
}

bool Graph::has_result(std::string_view name) const {
  const auto& names = result_names();
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::size_t Graph::result_index(std::string_view name) const {
  const auto& names = result_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) fail("graph {}: no result is named \"{}\"", name_, name);
  return static_cast<std::size_t>(found - names.begin());
}

std::string Graph::describe(ValueId id) const {
  const Value& v = value(id);
  const std::string name = v.hint.empty() ? std::to_string(id.index) : v.hint;
  return fmt::format("%{} : {}", name, to_string(v.type, pattern_names()));
}

namespace {

/// Walks two graphs side by side, matching the values they define.
class Comparison {
 public:
  Comparison(const Graph& a, const Graph& b) : a_(a), b_(b), match_(a.value_count()) {}
  /// Within one graph: a value from outside is itself.
  explicit Comparison(const Graph& graph) : Comparison(graph, graph) {
    for (std::size_t i = 0; i < match_.size(); ++i) match_[i] = ValueId{static_cast<std::int32_t>(i)};
  }

  bool blocks(BlockId x, BlockId y) {
    const Block& p = a_.block(x);
    const Block& q = b_.block(y);
    if (!define(p.arguments, q.arguments) || p.ops.size() != q.ops.size()) return false;
    for (std::size_t i = 0; i < p.ops.size(); ++i) {
      if (!ops(a_.op(p.ops[i]), b_.op(q.ops[i]))) return false;
    }
    return true;
  }

 private:
  bool ops(const Op& p, const Op& q) {
    if (p.kind != q.kind || p.attributes != q.attributes || p.operands.size() != q.operands.size()) return false;
    for (std::size_t i = 0; i < p.operands.size(); ++i) {
      if (match_[static_cast<std::size_t>(p.operands[i].index)] != q.operands[i]) return false;
    }
    if (p.body.has_value() != q.body.has_value()) return false;
    if (p.body && !blocks(*p.body, *q.body)) return false;
    return define(p.results, q.results);
  }

  bool define(const std::vector<ValueId>& x, const std::vector<ValueId>& y) {
    if (x.size() != y.size()) return false;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (a_.type(x[i]) != b_.type(y[i])) return false;
      match_[static_cast<std::size_t>(x[i].index)] = y[i];
    }
    return true;
  }

  const Graph& a_;
  const Graph& b_;
  std::vector<ValueId> match_;
};

}  // namespace

bool equal(const Graph& a, const Graph& b) {
  return a.name() == b.name() && a.fixed_bits() == b.fixed_bits() && a.patterns() == b.patterns() &&
         Comparison(a, b).blocks(a.body(), b.body());
}

bool equal(const Graph& graph, BlockId a, BlockId b) { return Comparison(graph).blocks(a, b); }

}  // namespace relaxon
