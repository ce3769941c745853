#include <fmt/format.h>

#include <map>
#include <unordered_map>

#include "ir/lexer.hpp"
#include "ir/op_info.hpp"
#include "ir/print_attributes.hpp"
#include "ir/text.hpp"

namespace relaxon {
namespace {

class Printer {
 public:
  explicit Printer(const Graph& graph) : graph_(graph), patterns_(graph.pattern_names()) {}

  std::string run() {
    line(0, fmt::format("graph \"{}\" fixed {}", graph_.name(), graph_.fixed_bits()));
    for (const PatternDeclaration& p : graph_.patterns()) {
      line(0, fmt::format("pattern @{} [{},{}]{}", p.name, p.senders, p.receivers,
                          p.fixed_diagonal ? " fixed_diagonal" : ""));
    }
    block(graph_.body(), 0);
    return std::move(out_);
  }

  /// What run() called each value.
  std::vector<std::string> names() const {
    std::vector<std::string> all(graph_.value_count());
    for (const auto& [index, text] : names_) all[static_cast<std::size_t>(index)] = text;
    return all;
  }

 private:
  void line(int depth, std::string_view text) {
    out_.append(static_cast<std::size_t>(2 * depth), ' ');
    out_ += text;
    out_ += '\n';
  }

  std::string name(ValueId id) {
    const auto found = names_.find(id.index);
    if (found != names_.end()) return found->second;
    const std::string& hint = graph_.value(id).hint;
    std::string base = is_name(hint) ? hint : "v";
    const int n = used_[base]++;
    std::string text = n == 0 && is_name(hint) ? fmt::format("%{}", base) : fmt::format("%{}.{}", base, n);
    while (!taken_.emplace(text, true).second) text = fmt::format("%{}.{}", base, used_[base]++);
    names_.emplace(id.index, text);
    return text;
  }

  std::string names(const std::vector<ValueId>& ids) {
    std::string text;
    for (const ValueId id : ids) text += fmt::format("{}{}", text.empty() ? "" : ", ", name(id));
    return text;
  }

  std::string types(const Op& op) {
    std::string text;
    for (const ValueId id : op.results) {
      text += fmt::format("{}{}", text.empty() ? " : " : ", ", to_string(graph_.type(id), patterns_));
    }
    return text;
  }

  void block(BlockId id, int depth) {
    for (const OpId op : graph_.block(id).ops) print(graph_.op(op), depth);
  }

  void print(const Op& op, int depth) {
    if (op.body) return print_region(op, depth);
    std::string text = op.results.empty() ? "" : names(op.results) + " = ";
    text += info(op.kind).name;
    if (const auto* a = std::get_if<BindingAttributes>(&op.attributes)) text += fmt::format(" \"{}\"", a->name);
    if (const auto* a = std::get_if<ConstantAttributes>(&op.attributes)) {
      text += a->elem == Elem::f32 ? " " + to_string(a->real) : fmt::format(" {}", a->integer);
    }
    if (const auto* a = std::get_if<NamesAttributes>(&op.attributes)) {
      for (std::size_t i = 0; i < op.operands.size(); ++i) {
        text += fmt::format("{} \"{}\" {}", i == 0 ? "" : ",", a->names.at(i), name(op.operands[i]));
      }
    } else if (!op.operands.empty()) {
      text += " " + names(op.operands);
    }
    if (const std::string braces = print_attributes(op.attributes); !braces.empty()) text += " " + braces;
    line(depth, text + types(op));
  }

  void print_region(const Op& op, int depth) {
    const Block& body = graph_.block(*op.body);
    std::string head(info(op.kind).name);
    if (!op.operands.empty()) head += " " + name(op.operands[0]);
    std::size_t argument = 0;
    if (op.kind == OpKind::loop) head += ", " + name(body.arguments[argument++]);
    std::string carries;
    for (std::size_t i = 1; i < op.operands.size(); ++i) {
      carries += fmt::format("{}{} = {}", carries.empty() ? "" : ", ", name(body.arguments[argument++]),
                             name(op.operands[i]));
    }
    if (op.kind != OpKind::fuse) head += fmt::format(" ({})", carries);
    if (const auto* a = std::get_if<ScanAttributes>(&op.attributes); a && !a->until_unchanged.empty()) {
      std::vector<ValueId> watched;
      for (const auto i : a->until_unchanged) watched.push_back(body.arguments[static_cast<std::size_t>(i)]);
      head += fmt::format(" until unchanged({})", names(watched));
    }
    const std::string results = op.results.empty() ? "" : names(op.results) + " = ";
    line(depth, results + head + " {");
    block(*op.body, depth + 1);
    line(depth, "}" + types(op));
  }

  const Graph& graph_;
  std::vector<std::string> patterns_;
  std::unordered_map<std::int32_t, std::string> names_;
  std::map<std::string, int> used_;
  std::map<std::string, bool> taken_;
  std::string out_;
};

}  // namespace

std::string print(const Graph& graph) { return Printer(graph).run(); }

std::vector<std::string> value_names(const Graph& graph) {
  Printer printer(graph);
  printer.run();
  return printer.names();
}

}  // namespace relaxon
