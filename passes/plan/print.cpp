#include <fmt/format.h>

#include <set>

#include "core/error.hpp"
#include "ir/lexer.hpp"
#include "ir/op_info.hpp"
#include "ir/print_attributes.hpp"
#include "passes/plan/text_form.hpp"

namespace relaxon {
namespace {

/// Attributes with all that the parser needs to read them back, a blank before.
struct AttributeText {
  const std::vector<std::string>& patterns;

  std::string type(const Type& t) const { return fmt::format(" : {}", to_string(t, patterns)); }
  std::string weight(const CorrelateAttributes& a) const {
    Type t = make_type(Elem::f32, a.dims);
    t.entries = a.entries;
    return type(t);
  }

  std::string operator()(std::monostate) const { return ""; }
  std::string operator()(const BindingAttributes& a) const {
    return fmt::format(" \"{}\"{}", a.name, type(a.type));
  }
  std::string operator()(const TypeAttributes& a) const { return type(a.type); }
  std::string operator()(const ConstantAttributes& a) const {
    const std::string number = a.elem == Elem::f32 ? to_string(a.real) : fmt::format("{}", a.integer);
    return fmt::format(" {}{}", number, type(make_type(a.elem, {})));
  }
  std::string operator()(const WindowAttributes& a) const {
    const std::string braces = print_attributes(a);
    return braces.empty() ? " {}" : " " + braces;
  }
  std::string operator()(const CorrelateAttributes& a) const { return " " + print_attributes(a) + weight(a); }
  std::string operator()(const UpdateAttributes& a) const {
    return " " + print_attributes(a) + weight(a.correlate);
  }
  std::string operator()(const NamesAttributes& a) const {
    std::string text;
    for (const std::string& name : a.names) text += fmt::format("{} \"{}\"", text.empty() ? "" : ",", name);
    return text;
  }
  template <class A>
  std::string operator()(const A& a) const {
    return " " + print_attributes(a);
  }
};

class Printer {
 public:
  explicit Printer(const Plan& plan) : plan_(plan), patterns_(plan.pattern_names()) {
    for (const Slot& s : plan.slots) names_.push_back(unique(is_name(s.name) ? s.name : "v"));
  }

  std::vector<std::string> slot_names() const {
    std::vector<std::string> all;
    for (const std::string& text : names_) all.push_back("%" + text);
    return all;
  }

  std::string run() {
    const std::string threads = plan_.threads > 1 ? fmt::format(" threads {}", plan_.threads) : "";
    line(0, fmt::format("plan {} fixed {}{}", quoted(plan_.name), plan_.fixed_bits, threads));
    for (const PatternDeclaration& p : plan_.patterns) {
      const std::string_view diagonal = p.fixed_diagonal ? " fixed_diagonal" : "";
      line(0, fmt::format("pattern @{} [{},{}]{}", p.name, p.senders, p.receivers, diagonal));
    }
    for (std::size_t i = 0; i < names_.size(); ++i) slot(plan_.slots[i], names_[i]);
    for (const Plan::Port& p : plan_.bindings)
      line(0, fmt::format("binding {} {}", quoted(p.name), name(p.slot)));
    steps(plan_.steps, 0);
    for (const Plan::Port& p : plan_.results)
      line(0, fmt::format("result {} {}", quoted(p.name), name(p.slot)));
    return std::move(out_);
  }

 private:
  void line(int depth, std::string_view text) {
    out_.append(static_cast<std::size_t>(2 * depth), ' ');
    out_ += text;
    out_ += '\n';
  }

  std::string quoted(const std::string& text) const {
    if (!is_quotable(text)) fail("plan {}: a name or note holds a quote or a control character", plan_.name);
    return fmt::format("\"{}\"", text);
  }

  /// A name that no other slot has in the text.
  std::string unique(const std::string& base) {
    std::string text = base;
    for (int n = 1; !taken_.insert(text).second; ++n) text = fmt::format("{}.{}", base, n);
    return text;
  }

  void slot(const Slot& s, const std::string& text) {
    line(0, fmt::format("slot %{}{} : {} {} live {} to {}", text, text == s.name ? "" : " " + quoted(s.name),
                        to_string(s.type, patterns_), name_in(storage_names, s.storage), s.first, s.last));
  }

  std::string name(SlotId id) const { return "%" + names_.at(static_cast<std::size_t>(id.index)); }

  std::string names(const std::vector<SlotId>& ids) const {
    std::string text;
    for (const SlotId id : ids) text += fmt::format("{}{}", text.empty() ? "" : ", ", name(id));
    return text;
  }

  void steps(const std::vector<Step>& list, int depth) {
    for (const Step& s : list) has_body(s.kernel) ? loop(s, depth) : plain(s, depth);
  }

  std::string head(const Step& s) const {
    const std::string results = s.outputs.empty() ? "" : names(s.outputs) + " = ";
    return results + std::string(name_in(kernel_names, s.kernel));
  }

  std::string notes(const Step& s) const {
    std::string text;
    if (s.threads != Threads::one) text += fmt::format(" threads {}", name_in(threads_names, s.threads));
    if (s.kept) text += " kept";
    if (s.whole_from > 0) text += fmt::format(" whole from {}", s.whole_from);
    if (!s.covers.empty()) text += " covers " + quoted(s.covers);
    if (!s.why.empty()) text += " why " + quoted(s.why);
    return text;
  }

  std::string attributes(OpKind op, const Attributes& a) const {
    if (!std::holds_alternative<std::monostate>(a) && info(op).attributes != a.index()) {
      internal_error("plan {}: a step that computes {} carries attributes of another op", plan_.name,
                     info(op).name);
    }
    return std::visit(AttributeText{patterns_}, a);
  }

  void plain(const Step& s, int depth) {
    if (!s.body.empty() || !s.arguments.empty() || !s.yielded.empty()) {
      internal_error("plan {}: a step of {} has a body", plan_.name, name_in(kernel_names, s.kernel));
    }
    std::string text = head(s);
    if (usual_op(s.kernel) != s.op) text += fmt::format(" {}", info(s.op).name);
    text += fmt::format("({}){}", names(s.inputs), attributes(s.op, s.attributes));
    if (const std::optional<OpKind> first = op_carrying(s.region)) {
      text += fmt::format(" after {}{}", info(*first).name, attributes(*first, s.region));
    }
    line(depth, text + notes(s));
  }

  void loop(const Step& s, int depth) {
    const std::size_t first = s.kernel == Kernel::loop ? 1 : 0;
    if (s.inputs.empty() || s.arguments.size() + 1 != s.inputs.size() + first) {
      internal_error("plan {}: a {} has {} inputs and {} arguments", plan_.name,
                     name_in(kernel_names, s.kernel), s.inputs.size(), s.arguments.size());
    }
    std::string text = fmt::format("{} {}", head(s), name(s.inputs[0]));
    if (first == 1) text += ", " + name(s.arguments[0]);
    std::string carries;
    for (std::size_t i = 1; i < s.inputs.size(); ++i) {
      carries +=
          fmt::format("{}{} = {}", i == 1 ? "" : ", ", name(s.arguments[first + i - 1]), name(s.inputs[i]));
    }
    text += fmt::format(" ({})", carries);
    if (const auto* a = std::get_if<ScanAttributes>(&s.attributes); a && !a->until_unchanged.empty()) {
      std::vector<SlotId> watched;
      for (const std::int32_t i : a->until_unchanged)
        watched.push_back(s.arguments.at(static_cast<std::size_t>(i)));
      text += fmt::format(" until unchanged({})", names(watched));
    }
    line(depth, text + notes(s) + " {");
    steps(s.body, depth + 1);
    line(depth + 1, s.yielded.empty() ? "yield" : "yield " + names(s.yielded));
    line(depth, "}");
  }

  const Plan& plan_;
  std::vector<std::string> patterns_;
  std::vector<std::string> names_;  // of slots, without the %
  std::set<std::string> taken_;
  std::string out_;
};

}  // namespace

std::string print(const Plan& plan) { return Printer(plan).run(); }

std::vector<std::string> slot_names(const Plan& plan) { return Printer(plan).slot_names(); }

std::string attribute_text(const Attributes& attributes, const std::vector<std::string>& patterns) {
  const std::string text = std::visit(AttributeText{patterns}, attributes);
  return text.empty() ? text : text.substr(1);
}

}  // namespace relaxon
