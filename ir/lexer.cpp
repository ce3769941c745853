#include "ir/lexer.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.hpp"

namespace relaxon {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
/// Characters of strings: anything (UTF-8 too) but quotes and control characters.
bool in_string(char c) { return c != '"' && c != 127 && static_cast<unsigned char>(c) >= 32; }
/// Characters of value and pattern names: those of edges and paths too.
bool in_name(char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '/' || c == '.'; }

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::end: return "the end";
    case TokenKind::value: return "%" + token.text;
    case TokenKind::pattern: return "@" + token.text;
    case TokenKind::string: return "\"" + token.text + "\"";
    default: return "'" + token.text + "'";
  }
}

}  // namespace

bool is_name(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), in_name); }

bool is_quotable(std::string_view text) { return std::all_of(text.begin(), text.end(), in_string); }

Lexer::Lexer(std::string_view text, std::string_view file) : text_(text), file_(file) { scan(); }

void Lexer::step() {
  if (current() == '\n') {
    ++line_;
    column_ = 0;
  }
  ++at_;
  ++column_;
}

void Lexer::skip_blanks() {
  while (at_ < text_.size()) {
    const char c = current();
    if (c == '-' && text_.substr(at_, 2) == "--") {
      while (at_ < text_.size() && current() != '\n') step();
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      step();
    } else {
      return;
    }
  }
}

void Lexer::scan() {
  skip_blanks();
  token_ = {TokenKind::end, {}, line_, column_};
  if (at_ >= text_.size()) return;
  const char first = current();
  const auto collect = [&](auto&& accepts) {
    while (at_ < text_.size() && accepts(current())) {
      token_.text += current();
      step();
    }
  };
  if (first == '%' || first == '@') {
    token_.kind = first == '%' ? TokenKind::value : TokenKind::pattern;
    step();
    collect(in_name);
    if (token_.text.empty()) fail_at(token_, fmt::format("'{}' without a name", first));
  } else if (first == '"') {
    token_.kind = TokenKind::string;
    step();
    collect(in_string);
    if (current() != '"') fail_at(token_, "a string without its closing quote");
    step();
  } else if (is_letter(first)) {
    token_.kind = TokenKind::word;
    collect([](char c) { return is_letter(c) || is_digit(c); });
  } else if (is_digit(first) || first == '-') {
    token_.kind = TokenKind::number;
    char last = 0;
    collect([&](char c) {
      const bool sign = (c == '-' || c == '+') && (last == 0 || last == 'e');
      const bool good = is_digit(c) || c == '.' || c == 'e' || sign;
      last = c;
      return good;
    });
  } else if (std::string_view("=,:(){}[]").find(first) != std::string_view::npos) {
    token_.kind = TokenKind::punctuation;
    token_.text = first;
    step();
  } else {
    fail_at(token_, fmt::format("unexpected character {}",
                                first >= ' ' && first < 127 ? fmt::format("'{}'", first)
                                                            : fmt::format("0x{:02x}", static_cast<unsigned char>(first))));
  }
}

Token Lexer::next() {
  Token taken = token_;
  scan();
  return taken;
}

bool Lexer::accept(std::string_view text) {
  const bool matches = (token_.kind == TokenKind::word || token_.kind == TokenKind::punctuation) && token_.text == text;
  if (matches) scan();
  return matches;
}

void Lexer::expect(std::string_view text) {
  if (!accept(text)) fail_expected(fmt::format("'{}'", text));
}

std::string Lexer::take(TokenKind kind, std::string_view what) {
  if (token_.kind != kind) fail_expected(what);
  return next().text;
}

std::int64_t Lexer::take_integer(std::string_view what) {
  std::int64_t value = 0;
  const std::string& t = token_.text;
  const auto [end, status] = std::from_chars(t.data(), t.data() + t.size(), value);
  if (token_.kind != TokenKind::number || status != std::errc() || end != t.data() + t.size()) fail_expected(what);
  scan();
  return value;
}

float Lexer::take_float(std::string_view what) {
  float value = 0;
  const std::string& t = token_.text;
  const auto [end, status] = std::from_chars(t.data(), t.data() + t.size(), value);
  const bool good = token_.kind == TokenKind::number && status == std::errc() && end == t.data() + t.size();
  if (!good || !std::isfinite(value)) fail_expected(what);
  scan();
  return value;
}

void Lexer::fail_expected(std::string_view expected) const {
  fail_at(token_, fmt::format("expected {}, found {}", expected, describe(token_)));
}

void Lexer::fail_at(const Token& token, std::string_view message) const {
  fail("{}:{}:{}: {}", file_, token.line, token.column, message);
}

}  // namespace relaxon
