#include "ir/parse_attributes.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "core/error.hpp"
#include "ir/op_info.hpp"

namespace relaxon {
namespace {

using Pair = std::array<std::int64_t, 2>;

// Bounds that keep every product of shapes inside 64 bits.
constexpr std::int64_t longest_axis = std::int64_t{1} << 31;
constexpr std::int64_t largest_setting = 1 << 20;

std::int64_t bounded(Lexer& lexer, std::string_view what, std::int64_t low, std::int64_t high) {
  const Token at = lexer.peek();
  const std::int64_t value = lexer.take_integer(what);
  if (value < low || value > high) lexer.fail_at(at, fmt::format("{} is {}; expected {} .. {}", what, value, low, high));
  return value;
}

template <std::size_t N>
std::size_t one_of(Lexer& lexer, const std::array<std::string_view, N>& names, std::string_view what) {
  for (std::size_t i = 0; i < N; ++i) {
    if (lexer.accept(names[i])) return i;
  }
  lexer.fail_expected(what);
}

/// The words between braces, each taken by the first reader that knows it.
class Words {
 public:
  explicit Words(Lexer& lexer) : lexer_(lexer) { lexer_.expect("{"); }

  template <std::size_t N, class E>
  void choice(const std::array<std::string_view, N>& names, std::string_view what, E& value) {
    value = static_cast<E>(one_of(lexer_, names, what));
  }

  void options(const std::function<bool(std::string_view)>& take) {
    while (!lexer_.accept("}")) {
      const Token at = lexer_.peek();
      const std::string word = lexer_.take(TokenKind::word, "an attribute or '}'");
      if (!take(word)) lexer_.fail_at(at, fmt::format("unknown attribute '{}'", word));
    }
  }

  Pair pair(std::string_view what) {
    lexer_.expect("=");
    const std::int64_t first = bounded(lexer_, what, 0, largest_setting);
    const Token at = lexer_.peek();
    const std::string x = lexer_.take(TokenKind::word, "'x' and a number");
    std::int64_t second = 0;
    const std::string digits = x.substr(std::min<std::size_t>(1, x.size()));
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), second);
    if (x[0] != 'x' || status != std::errc() || end != digits.data() + digits.size() || second > largest_setting) {
      lexer_.fail_at(at, fmt::format("expected 'x' and a number, found '{}'", x));
    }
    return {first, second};
  }

  std::vector<std::int64_t> list(std::string_view what) {
    lexer_.expect("=");
    std::vector<std::int64_t> values;
    do values.push_back(bounded(lexer_, what, 0, longest_axis));
    while (lexer_.accept(","));
    return values;
  }

  EdgeId edge() {
    lexer_.expect("=");
    const std::int64_t receiver = bounded(lexer_, "a receiver", 0, largest_setting);
    // "1-0" reads as the numbers 1 and -0.
    const std::int64_t sender = -bounded(lexer_, "a sender", -largest_setting, 0);
    return {static_cast<int>(receiver), static_cast<int>(sender)};
  }

  Padding padding() {
    lexer_.expect("=");
    return static_cast<Padding>(one_of(lexer_, padding_names, "none, constant, edge or reflect"));
  }

  bool map_option(std::string_view word, MapAttributes& m) {
    if (word == "kernel") return m.kernel = pair("kernel"), true;
    if (word == "stride") return m.stride = pair("stride"), true;
    if (word == "padding") return m.padding = padding(), true;
    if (word == "crop") return m.crop = pair("crop"), true;
    if (word == "axes") return m.axes = list("an axis"), true;
    if (word == "shape") return m.shape = list("an axis length"), true;
    if (word != "groups") return false;
    lexer_.expect("=");
    m.groups = bounded(lexer_, "groups", 1, largest_setting);
    return true;
  }

 private:
  Lexer& lexer_;
};

MapKind map_kind(Words& words) {
  MapKind kind{};
  words.choice(map_names, "a map: dense, diag, conv, convt, repeat or broadcast", kind);
  return kind;
}

MessageAttributes message_attributes(Lexer& lexer) {
  Words words(lexer);
  MessageAttributes a;
  a.map.kind = map_kind(words);
  words.options([&](std::string_view word) {
    if (word == "edge") return a.edge = words.edge(), true;
    if (word == "fixed") return a.fixed = true;
    return words.map_option(word, a.map);
  });
  return a;
}

CorrelateAttributes correlate_attributes(Words& words) {
  CorrelateAttributes a;
  a.map.kind = map_kind(words);
  words.options([&](std::string_view word) {
    if (word == "edge") return a.edge = words.edge(), true;
    return words.map_option(word, a.map);
  });
  return a;
}

WindowAttributes window_attributes(Lexer& lexer) {
  WindowAttributes a;
  if (lexer.peek().text != "{") return a;
  Words words(lexer);
  words.options([&](std::string_view word) {
    if (word == "kernel") return a.kernel = words.pair("kernel"), true;
    if (word == "stride") return a.stride = words.pair("stride"), true;
    if (word == "padding") return a.padding = words.padding(), true;
    if (word == "axes") return a.axes = words.list("an axis"), true;
    return false;
  });
  return a;
}

template <class A, std::size_t N>
A single_choice(Lexer& lexer, const std::array<std::string_view, N>& names, std::string_view what) {
  Words words(lexer);
  A a;
  auto& [value] = a;
  words.choice(names, what, value);
  lexer.expect("}");
  return a;
}

Dims parse_dims(Lexer& lexer) {
  Dims dims;
  const Token at = lexer.peek();
  lexer.expect("[");
  while (!lexer.accept("]")) {
    if (!dims.empty()) lexer.expect(",");
    if (lexer.peek().kind == TokenKind::word && lexer.peek().text.size() == 1) {
      dims.push_back(Dim::symbolic(lexer.next().text[0]));
    } else {
      dims.emplace_back(bounded(lexer, "an axis length", 1, longest_axis));
    }
  }
  double elements = 1;
  for (const Dim& d : dims) elements *= d.is_symbolic() ? 1.0 : static_cast<double>(d.length);
  if (elements > static_cast<double>(std::numeric_limits<std::int64_t>::max() / 2)) {
    lexer.fail_at(at, fmt::format("a shape of {:.3g} elements is too large", elements));
  }
  return dims;
}

}  // namespace

Type parse_type(Lexer& lexer, const std::vector<PatternDeclaration>& patterns) {
  static constexpr std::array<std::string_view, 8> elems{"pm1", "tern", "two", "u8", "f32", "fix", "i32", "i64"};
  Type type;
  type.elem = static_cast<Elem>(one_of(lexer, elems, "a type"));
  if (type.elem == Elem::two) {
    lexer.expect("{");
    type.a = lexer.take_float("a value");
    lexer.expect(",");
    type.b = lexer.take_float("a value");
    lexer.expect("}");
  }
  if (type.elem == Elem::u8) {
    lexer.expect("{");
    type.scale = lexer.take_float("a scale");
    lexer.expect("}");
  }
  type.dims = parse_dims(lexer);
  if (lexer.peek().text != "{" || lexer.peek().kind != TokenKind::punctuation) return type;
  lexer.expect("{");
  if (lexer.accept("offdiag")) {
    type.entries.kind = Entries::Kind::offdiag;
  } else {
    const Token at = lexer.peek();
    const std::string name = lexer.take(TokenKind::pattern, "offdiag or a pattern");
    const auto found = std::find_if(patterns.begin(), patterns.end(), [&](const auto& p) { return p.name == name; });
    if (found == patterns.end()) lexer.fail_at(at, fmt::format("pattern @{} is not declared", name));
    type.entries.kind = Entries::Kind::sparse;
    type.entries.pattern.index = static_cast<std::int32_t>(found - patterns.begin());
  }
  lexer.expect("}");
  return type;
}

Attributes parse_attributes(Lexer& lexer, OpKind kind) {
  switch (kind) {
    case OpKind::message:
    case OpKind::advance: return message_attributes(lexer);
    case OpKind::majority: return window_attributes(lexer);
    case OpKind::threshold: return single_choice<ThresholdAttributes>(lexer, activation_names, "an activation: sign, sign0, tanh or identity");
    case OpKind::error: return single_choice<ErrorAttributes>(lexer, rule_names, "a rule: perceptron, strict, softmax, tanh or truncated");
    case OpKind::correlate: {
      Words words(lexer);
      return correlate_attributes(words);
    }
    case OpKind::update: {
      Words words(lexer);
      UpdateAttributes a;
      words.choice(rule_names, "a rule: perceptron, strict, softmax, tanh or truncated", a.rule);
      a.correlate = correlate_attributes(words);
      return a;
    }
    case OpKind::apply: {
      Words words(lexer);
      ApplyAttributes a;
      words.choice(apply_names, "an optimizer: sgd, momentum, nesterov, adam or adamw", a.rule);
      words.options([&](std::string_view word) { return word == "edge" ? (a.edge = words.edge(), true) : false; });
      return a;
    }
    default: return std::monostate{};
  }
}

}  // namespace relaxon
