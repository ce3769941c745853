#include <algorithm>
#include <charconv>
#include <limits>
#include <unordered_map>

#include "core/error.hpp"
#include "ir/builder.hpp"
#include "ir/op_info.hpp"
#include "ir/parse_attributes.hpp"
#include "passes/plan/text_form.hpp"

namespace relaxon {
namespace {

constexpr int deepest_body = 64;

template <std::size_t N>
std::optional<std::size_t> position_in(const std::array<std::string_view, N>& names, std::string_view word) {
  const auto found = std::find(names.begin(), names.end(), word);
  if (found == names.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names.begin());
}

class Parser {
 public:
  Parser(std::string_view text, std::string_view file) : lexer_(text, file) {}

  Plan run() {
    header();
    while (lexer_.accept("slot")) slot();
    while (lexer_.accept("binding")) plan_.bindings.push_back(port());
    while (!at_word("result") && lexer_.peek().kind != TokenKind::end) plan_.steps.push_back(step());
    while (lexer_.accept("result")) plan_.results.push_back(port());
    if (lexer_.peek().kind != TokenKind::end) lexer_.fail_expected("a result or the end");
    return std::move(plan_);
  }

 private:
  bool at_word(std::string_view word) const {
    return lexer_.peek().kind == TokenKind::word && lexer_.peek().text == word;
  }

  std::int64_t integer(std::string_view what, std::int64_t low, std::int64_t high) {
    const Token at = lexer_.peek();
    const std::int64_t value = lexer_.take_integer(what);
    if (value < low || value > high)
      lexer_.fail_at(at, fmt::format("{} is {}; expected {} .. {}", what, value, low, high));
    return value;
  }

  void header() {
    lexer_.expect("plan");
    plan_.name = lexer_.take(TokenKind::string, "the plan's name in quotes");
    lexer_.expect("fixed");
    plan_.fixed_bits = static_cast<int>(integer("the number of fixed bits", 4, 26));
    if (lexer_.accept("threads")) plan_.threads = static_cast<int>(integer("the number of threads", 1, 4096));
    GraphBuilder checked(plan_.name, plan_.fixed_bits);  // knows what patterns may be
    while (lexer_.accept("pattern")) {
      const Token at = lexer_.peek();
      PatternDeclaration p;
      p.name = lexer_.take(TokenKind::pattern, "a pattern's name, @name");
      lexer_.expect("[");
      p.senders = lexer_.take_integer("the number of senders");
      lexer_.expect(",");
      p.receivers = lexer_.take_integer("the number of receivers");
      lexer_.expect("]");
      p.fixed_diagonal = lexer_.accept("fixed_diagonal");
      try {
        checked.pattern(p);
      } catch (const Error& e) {
        lexer_.fail_at(at, e.what());
      }
      plan_.patterns.push_back(std::move(p));
    }
  }

  void slot() {
    const Token at = lexer_.peek();
    Slot s;
    s.name = lexer_.take(TokenKind::value, "a slot's name, %name");
    if (!slots_.emplace(s.name, SlotId{static_cast<std::int32_t>(plan_.slots.size())}).second) {
      lexer_.fail_at(at, fmt::format("slot %{} is declared twice", s.name));
    }
    if (lexer_.peek().kind == TokenKind::string) s.name = lexer_.next().text;
    lexer_.expect(":");
    s.type = parse_type(lexer_, plan_.patterns);
    const auto storage = position_in(storage_names, lexer_.peek().text);
    if (lexer_.peek().kind != TokenKind::word || !storage) lexer_.fail_expected("a storage");
    lexer_.next();
    s.storage = static_cast<Storage>(*storage);
    constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
    lexer_.expect("live");
    s.first = static_cast<std::int32_t>(integer("a position", -1, most));
    lexer_.expect("to");
    s.last = static_cast<std::int32_t>(integer("a position", -1, most));
    plan_.slots.push_back(std::move(s));
  }

  Plan::Port port() {
    std::string name = lexer_.take(TokenKind::string, "a name in quotes");
    return {std::move(name), named_slot()};
  }

  SlotId named_slot() {
    const Token at = lexer_.peek();
    const auto found = slots_.find(lexer_.take(TokenKind::value, "a slot, %name"));
    if (found == slots_.end()) lexer_.fail_at(at, fmt::format("slot %{} is not declared", at.text));
    return found->second;
  }

  std::vector<SlotId> named_slots() {
    std::vector<SlotId> ids;
    if (lexer_.peek().kind != TokenKind::value) return ids;
    do ids.push_back(named_slot());
    while (lexer_.accept(","));
    return ids;
  }

  Step step() {
    Step s;
    s.outputs = named_slots();
    if (!s.outputs.empty()) lexer_.expect("=");
    const Token at = lexer_.peek();
    const auto kernel = position_in(kernel_names, lexer_.take(TokenKind::word, "a kernel"));
    if (!kernel) lexer_.fail_at(at, fmt::format("unknown kernel '{}'", at.text));
    s.kernel = static_cast<Kernel>(*kernel);
    s.op = usual_op(s.kernel).value_or(s.op);
    has_body(s.kernel) ? loop(s, at) : plain(s);
    return s;
  }

  void plain(Step& s) {
    if (lexer_.peek().kind == TokenKind::word || !usual_op(s.kernel)) s.op = op();
    lexer_.expect("(");
    s.inputs = named_slots();
    lexer_.expect(")");
    s.attributes = attributes(s.op);
    if (lexer_.accept("after")) s.region = attributes(op());
    notes(s);
  }

  OpKind op() {
    const Token at = lexer_.peek();
    const std::optional<OpKind> kind = op_named(lexer_.take(TokenKind::word, "an op"));
    if (!kind) lexer_.fail_at(at, fmt::format("unknown op '{}'", at.text));
    return *kind;
  }

  Type type_after_colon() {
    lexer_.expect(":");
    return parse_type(lexer_, plan_.patterns);
  }

  /// The attributes of an op, if any follow.
  Attributes attributes(OpKind kind) {
    const Token at = lexer_.peek();
    switch (kind) {
      case OpKind::input:
      case OpKind::param:
        if (at.kind != TokenKind::string) return {};
        lexer_.next();
        return BindingAttributes{at.text, type_after_colon()};
      case OpKind::zeros:
        if (at.text != ":") return {};
        return TypeAttributes{type_after_colon()};
      case OpKind::constant: return at.kind == TokenKind::number ? constant() : Attributes{};
      case OpKind::probe:
      case OpKind::ret: return at.kind == TokenKind::string ? names() : Attributes{};
      default: break;
    }
    if (at.kind != TokenKind::punctuation || at.text != "{") return {};
    Attributes a = parse_attributes(lexer_, kind);
    CorrelateAttributes* correlate = std::get_if<CorrelateAttributes>(&a);
    if (auto* update = std::get_if<UpdateAttributes>(&a)) correlate = &update->correlate;
    if (correlate) {
      const Type weight = type_after_colon();
      correlate->dims = weight.dims;
      correlate->entries = weight.entries;
    }
    return a;
  }

  Attributes constant() {
    const Token number = lexer_.peek();
    const float real = lexer_.take_float("a number");
    const Type type = type_after_colon();
    if (type.elem != Elem::i32) return ConstantAttributes{type.elem, real, 0};
    std::int32_t integer = 0;
    const auto [end, status] =
        std::from_chars(number.text.data(), number.text.data() + number.text.size(), integer);
    if (status != std::errc() || end != number.text.data() + number.text.size()) {
      lexer_.fail_at(number, fmt::format("expected an integer, found '{}'", number.text));
    }
    return ConstantAttributes{Elem::i32, 0, integer};
  }

  Attributes names() {
    NamesAttributes a;
    do a.names.push_back(lexer_.take(TokenKind::string, "a name in quotes"));
    while (lexer_.accept(","));
    return a;
  }

  void notes(Step& s) {
    if (lexer_.accept("threads")) {
      const auto threads = position_in(threads_names, lexer_.peek().text);
      if (!threads) lexer_.fail_expected("one, columns, senders or samples");
      lexer_.next();
      s.threads = static_cast<Threads>(*threads);
    }
    s.kept = lexer_.accept("kept");
    if (lexer_.accept("whole")) {
      lexer_.expect("from");
      s.whole_from = integer("a number of senders", 1, std::numeric_limits<std::int64_t>::max());
    }
    if (lexer_.accept("covers")) s.covers = lexer_.take(TokenKind::string, "the values in quotes");
    if (lexer_.accept("why")) s.why = lexer_.take(TokenKind::string, "the reason in quotes");
  }

  void loop(Step& s, const Token& at) {
    if (++depth_ > deepest_body)
      lexer_.fail_at(at, fmt::format("bodies are nested more than {} deep", deepest_body));
    s.inputs.push_back(named_slot());
    if (s.kernel == Kernel::loop) {
      lexer_.expect(",");
      s.arguments.push_back(named_slot());
    }
    carries(s);
    if (s.kernel == Kernel::scan) s.attributes = until(s.arguments);
    notes(s);
    lexer_.expect("{");
    while (!lexer_.accept("yield")) s.body.push_back(step());
    s.yielded = named_slots();
    lexer_.expect("}");
    const std::size_t count = s.inputs.size() - 1;
    if (s.outputs.size() != count || s.yielded.size() != count) {
      lexer_.fail_at(at, fmt::format("{} carries, {} outputs and {} yielded slots; expected as many of each",
                                     count, s.outputs.size(), s.yielded.size()));
    }
    --depth_;
  }

  void carries(Step& s) {
    lexer_.expect("(");
    while (!lexer_.accept(")")) {
      if (s.inputs.size() > 1) lexer_.expect(",");
      const Token at = lexer_.peek();
      const SlotId carry = named_slot();
      if (std::find(s.arguments.begin(), s.arguments.end(), carry) != s.arguments.end()) {
        lexer_.fail_at(at, fmt::format("%{} is an argument twice", at.text));
      }
      s.arguments.push_back(carry);
      lexer_.expect("=");
      s.inputs.push_back(named_slot());
    }
  }

  ScanAttributes until(const std::vector<SlotId>& carries) {
    ScanAttributes scan;
    if (!lexer_.accept("until")) return scan;
    lexer_.expect("unchanged");
    lexer_.expect("(");
    do {
      const Token at = lexer_.peek();
      const auto found = std::find(carries.begin(), carries.end(), named_slot());
      if (found == carries.end()) lexer_.fail_at(at, fmt::format("%{} is not a carry of this scan", at.text));
      scan.until_unchanged.push_back(static_cast<std::int32_t>(found - carries.begin()));
    } while (lexer_.accept(","));
    lexer_.expect(")");
    return scan;
  }

  Lexer lexer_;
  Plan plan_;
  std::unordered_map<std::string, SlotId> slots_;
  int depth_ = 0;
};

}  // namespace

Plan parse_plan(std::string_view text, std::string_view file) { return Parser(text, file).run(); }

}  // namespace relaxon
