#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <unordered_map>

#include "core/error.hpp"
#include "ir/op_info.hpp"
#include "ir/text.hpp"

namespace relaxon {
namespace {

using Pair = std::array<std::int64_t, 2>;

std::string pair_text(Pair p) { return fmt::format("{}x{}", p[0], p[1]); }

/// Words between the braces after an op.
class Words {
 public:
  void add(std::string_view word) { text_ += fmt::format("{}{}", text_.empty() ? "" : " ", word); }
  void pair(std::string_view name, Pair value, Pair fallback) {
    if (value != fallback) add(fmt::format("{}={}", name, pair_text(value)));
  }
  void list(std::string_view name, const std::vector<std::int64_t>& values) {
    if (!values.empty()) add(fmt::format("{}={}", name, fmt::join(values, ",")));
  }
  void padding(Padding padding) {
    if (padding != Padding::none) add(fmt::format("padding={}", name_in(padding_names, padding)));
  }
  void edge(const std::optional<EdgeId>& edge) {
    if (edge) add(fmt::format("edge={}", to_string(*edge)));
  }
  void map(const MapAttributes& m) {
    add(name_in(map_names, m.kind));
    pair("kernel", m.kernel, {0, 0});
    pair("stride", m.stride, {1, 1});
    if (m.groups != 1) add(fmt::format("groups={}", m.groups));
    padding(m.padding);
    pair("crop", m.crop, {0, 0});
    list("axes", m.axes);
    list("shape", m.shape);
  }
  std::string braces() const { return text_.empty() ? "" : fmt::format(" {{{}}}", text_); }

 private:
  std::string text_;
};

struct AttributeText {
  Words words;

  void operator()(std::monostate) {}
  void operator()(const BindingAttributes&) {}
  void operator()(const TypeAttributes&) {}
  void operator()(const ConstantAttributes&) {}
  void operator()(const ScanAttributes&) {}
  void operator()(const NamesAttributes&) {}
  void operator()(const MessageAttributes& a) {
    words.map(a.map);
    words.edge(a.edge);
    if (a.fixed) words.add("fixed");
  }
  void operator()(const WindowAttributes& a) {
    words.pair("kernel", a.kernel, {1, 1});
    words.pair("stride", a.stride, {1, 1});
    words.padding(a.padding);
    words.list("axes", a.axes);
  }
  void operator()(const ThresholdAttributes& a) { words.add(name_in(activation_names, a.activation)); }
  void operator()(const ErrorAttributes& a) { words.add(name_in(rule_names, a.rule)); }
  void operator()(const CorrelateAttributes& a) {
    words.map(a.map);
    words.edge(a.edge);
  }
  void operator()(const UpdateAttributes& a) {
    words.add(name_in(rule_names, a.rule));
    (*this)(a.correlate);
  }
  void operator()(const ApplyAttributes& a) {
    words.add(name_in(apply_names, a.rule));
    words.edge(a.edge);
  }
};

bool is_name(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-' && c != '/' && c != '.') return false;
  }
  return true;
}

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
    AttributeText attributes;
    std::visit(attributes, op.attributes);
    line(depth, text + attributes.words.braces() + types(op));
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

}  // namespace relaxon
