#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "core/error.hpp"
#include "ir/builder.hpp"
#include "ir/op_info.hpp"
#include "ir/parse_attributes.hpp"
#include "ir/text.hpp"

namespace relaxon {
namespace {

class Parser {
 public:
  Parser(std::string_view text, std::string_view file) : lexer_(text, file), builder_("", 20) {}

  Graph run() {
    header();
    while (lexer_.accept("pattern")) pattern();
    scopes_.emplace_back();
    while (!lexer_.accept("return")) statement();
    return finish();
  }

 private:
  /// Runs a step of the builder and places its errors at a token.
  template <class F>
  auto build(const Token& at, F&& step) {
    try {
      return step();
    } catch (const Error& e) {
      lexer_.fail_at(at, e.what());
    }
  }

  void header() {
    lexer_.expect("graph");
    const std::string name = lexer_.take(TokenKind::string, "the graph's name in quotes");
    lexer_.expect("fixed");
    const Token at = lexer_.peek();
    const std::int64_t bits = lexer_.take_integer("the number of fixed bits");
    builder_ = build(at, [&] { return GraphBuilder(name, static_cast<int>(std::clamp<std::int64_t>(bits, INT32_MIN, INT32_MAX))); });
  }

  void pattern() {
    const Token at = lexer_.peek();
    PatternDeclaration p;
    p.name = lexer_.take(TokenKind::pattern, "a pattern's name, @name");
    lexer_.expect("[");
    p.senders = lexer_.take_integer("the number of senders");
    lexer_.expect(",");
    p.receivers = lexer_.take_integer("the number of receivers");
    lexer_.expect("]");
    p.fixed_diagonal = lexer_.accept("fixed_diagonal");
    build(at, [&] { return builder_.pattern(p); });
  }

  ValueId operand() {
    const Token at = lexer_.peek();
    const std::string name = lexer_.take(TokenKind::value, "a value, %name");
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      if (const auto found = scope->find(name); found != scope->end()) return found->second;
    }
    lexer_.fail_at(at, fmt::format("%{} is not defined before its use", name));
  }

  std::vector<ValueId> operands() {
    std::vector<ValueId> ids;
    if (lexer_.peek().kind != TokenKind::value) return ids;
    do ids.push_back(operand());
    while (lexer_.accept(","));
    return ids;
  }

  void define(const Token& name, ValueId id) {
    for (const auto& scope : scopes_) {
      if (scope.contains(name.text)) lexer_.fail_at(name, fmt::format("%{} is defined twice", name.text));
    }
    scopes_.back().emplace(name.text, id);
    builder_.name(id, name.text);
  }

  void define_all(const std::vector<Token>& names, const std::vector<ValueId>& ids, const Token& at, OpKind kind) {
    if (names.size() != ids.size()) {
      lexer_.fail_at(at, fmt::format("{} has {} results, {} names are given", info(kind).name, ids.size(), names.size()));
    }
    for (std::size_t i = 0; i < ids.size(); ++i) define(names[i], ids[i]);
  }

  void statement() {
    std::vector<Token> names;
    if (lexer_.peek().kind == TokenKind::value) {
      do {
        names.push_back(lexer_.peek());
        lexer_.take(TokenKind::value, "a value, %name");
      } while (lexer_.accept(","));
      lexer_.expect("=");
    }
    const Token at = lexer_.peek();
    const std::string word = lexer_.take(TokenKind::word, "an op");
    const std::optional<OpKind> kind = op_named(word);
    if (!kind) lexer_.fail_at(at, fmt::format("unknown op '{}'", word));
    if (has_trait(*kind, trait::terminator)) lexer_.fail_at(at, fmt::format("'{}' can't stand here", word));
    if (has_trait(*kind, trait::region)) return region(*kind, at, names);
    simple(*kind, at, names);
  }

  void simple(OpKind kind, const Token& at, const std::vector<Token>& names) {
    Attributes attributes;
    std::vector<ValueId> inputs;
    std::vector<Type> types;
    if (kind == OpKind::input || kind == OpKind::param) {
      const std::string name = lexer_.take(TokenKind::string, "a name in quotes");
      types = required_types(1);
      attributes = BindingAttributes{name, types[0]};
    } else if (kind == OpKind::zeros) {
      types = required_types(1);
      attributes = TypeAttributes{types[0]};
    } else if (kind == OpKind::constant) {
      attributes = constant(types);
    } else if (kind == OpKind::probe) {
      const std::string name = lexer_.take(TokenKind::string, "a name in quotes");
      inputs = operands();
      attributes = NamesAttributes{{name}};
    } else {
      inputs = operands();
      attributes = parse_attributes(lexer_, kind);
      types = take_types(attributes);
    }
    const auto results = build(at, [&] { return builder_.append(kind, inputs, attributes); });
    check_types(at, kind, results, types);
    define_all(names, results, at, kind);
  }

  Attributes constant(std::vector<Type>& types) {
    const Token number = lexer_.peek();
    const float real = lexer_.take_float("a number");
    types = required_types(1);
    if (types[0].elem != Elem::i32) return ConstantAttributes{types[0].elem, real, 0};
    std::int32_t integer = 0;
    const auto [end, status] = std::from_chars(number.text.data(), number.text.data() + number.text.size(), integer);
    if (status != std::errc() || end != number.text.data() + number.text.size()) {
      lexer_.fail_at(number, fmt::format("expected an integer, found '{}'", number.text));
    }
    return ConstantAttributes{Elem::i32, 0, integer};
  }

  std::vector<Type> required_types(std::size_t n) {
    lexer_.expect(":");
    std::vector<Type> types{parse_type(lexer_, builder_.patterns())};
    while (types.size() < n) {
      lexer_.expect(",");
      types.push_back(parse_type(lexer_, builder_.patterns()));
    }
    return types;
  }

  std::vector<Type> optional_types() {
    std::vector<Type> types;
    if (!lexer_.accept(":")) return types;
    do types.push_back(parse_type(lexer_, builder_.patterns()));
    while (lexer_.accept(","));
    return types;
  }

  /// Types after `:`; correlations take shape and entries of their weight from there.
  std::vector<Type> take_types(Attributes& attributes) {
    CorrelateAttributes* correlate = std::get_if<CorrelateAttributes>(&attributes);
    if (auto* update = std::get_if<UpdateAttributes>(&attributes)) correlate = &update->correlate;
    if (!correlate) return optional_types();
    std::vector<Type> types = required_types(1);
    correlate->dims = types[0].dims;
    correlate->entries = types[0].entries;
    return types;
  }

  void check_types(const Token& at, OpKind kind, const std::vector<ValueId>& results, const std::vector<Type>& given) {
    if (given.empty()) return;
    std::vector<std::string> patterns;
    for (const auto& p : builder_.patterns()) patterns.push_back(p.name);
    if (given.size() != results.size()) {
      lexer_.fail_at(at, fmt::format("{} has {} results, {} types are given", info(kind).name, results.size(), given.size()));
    }
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (given[i] != builder_.type(results[i])) {
        lexer_.fail_at(at, fmt::format("{} gives {}, not {}", info(kind).name,
                                       to_string(builder_.type(results[i]), patterns), to_string(given[i], patterns)));
      }
    }
  }

  void region(OpKind kind, const Token& at, const std::vector<Token>& names) {
    if (++depth_ > 64) lexer_.fail_at(at, "bodies are nested more than 64 deep");
    std::vector<ValueId> inputs;
    std::vector<Token> arguments;
    ScanAttributes scan;
    if (kind != OpKind::fuse) {
      inputs.push_back(operand());
      if (kind == OpKind::loop) {
        lexer_.expect(",");
        arguments.push_back(lexer_.peek());
        lexer_.take(TokenKind::value, "the index, %name");
      }
      carries(inputs, arguments);
    }
    if (kind == OpKind::scan) scan.until_unchanged = until(arguments);
    Attributes attributes;
    if (kind == OpKind::scan) attributes = scan;
    const auto values = build(at, [&] { return builder_.begin(kind, inputs, attributes); });
    scopes_.emplace_back();
    for (std::size_t i = 0; i < values.size(); ++i) define(arguments[i], values[i]);
    lexer_.expect("{");
    while (!lexer_.accept("yield")) statement();
    const std::vector<ValueId> yielded = operands();
    lexer_.expect("}");
    scopes_.pop_back();
    const std::vector<ValueId> results = build(at, [&] { return builder_.end(yielded); });
    check_types(at, kind, results, optional_types());
    define_all(names, results, at, kind);
    --depth_;
  }

  void carries(std::vector<ValueId>& inputs, std::vector<Token>& arguments) {
    lexer_.expect("(");
    while (!lexer_.accept(")")) {
      if (inputs.size() > 1) lexer_.expect(",");
      arguments.push_back(lexer_.peek());
      lexer_.take(TokenKind::value, "a carry, %name = %start");
      lexer_.expect("=");
      inputs.push_back(operand());
    }
  }

  std::vector<std::int32_t> until(const std::vector<Token>& arguments) {
    std::vector<std::int32_t> watched;
    if (!lexer_.accept("until")) return watched;
    lexer_.expect("unchanged");
    lexer_.expect("(");
    do {
      const Token at = lexer_.peek();
      const std::string name = lexer_.take(TokenKind::value, "a carry");
      const auto found = std::find_if(arguments.begin(), arguments.end(), [&](const Token& t) { return t.text == name; });
      if (found == arguments.end()) lexer_.fail_at(at, fmt::format("%{} is not a carry of this scan", name));
      watched.push_back(static_cast<std::int32_t>(found - arguments.begin()));
    } while (lexer_.accept(","));
    lexer_.expect(")");
    return watched;
  }

  Graph finish() {
    const Token at = lexer_.peek();
    std::vector<ValueId> results;
    std::vector<std::string> names;
    if (lexer_.peek().kind == TokenKind::string) {
      do {
        names.push_back(lexer_.take(TokenKind::string, "a result, \"name\" %value"));
        results.push_back(operand());
      } while (lexer_.accept(","));
    }
    if (lexer_.peek().kind != TokenKind::end) lexer_.fail_expected("a result, \"name\" %value, or the end");
    return build(at, [&] { return builder_.finish(results, names); });
  }

  Lexer lexer_;
  GraphBuilder builder_;
  std::vector<std::unordered_map<std::string, ValueId>> scopes_;
  int depth_ = 0;
};

}  // namespace

Graph parse(std::string_view text, std::string_view file) { return Parser(text, file).run(); }

}  // namespace relaxon
