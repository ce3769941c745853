// Tokens of the text form.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace relaxon {

enum class TokenKind : std::uint8_t { word, value, pattern, string, number, punctuation, end };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;  // without the %, @ or quotes
  int line = 1, column = 1;
};

/// Whether a value or pattern can be called so: letters, digits and _ - / . , at least one.
bool is_name(std::string_view text);
/// Whether a string can stand between quotes: no quotes, no control characters.
bool is_quotable(std::string_view text);

/// Splits text into tokens, one ahead of the parser. Throws Error "file:line:column: ...".
class Lexer {
 public:
  Lexer(std::string_view text, std::string_view file);

  const Token& peek() const { return token_; }
  Token next();
  /// Takes the token if it is this word or punctuation.
  bool accept(std::string_view text);
  void expect(std::string_view text);
  /// The text of a token that must be of `kind`; `what` says what it is meant to be.
  std::string take(TokenKind kind, std::string_view what);
  std::int64_t take_integer(std::string_view what);
  float take_float(std::string_view what);

  /// Throws Error at a token: "expected <expected>, found <token>".
  [[noreturn]] void fail_expected(std::string_view expected) const;
  [[noreturn]] void fail_at(const Token& token, std::string_view message) const;

 private:
  void scan();
  void skip_blanks();
  char current() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void step();

  std::string_view text_;
  std::string file_;
  std::size_t at_ = 0;
  int line_ = 1, column_ = 1;
  Token token_;
};

}  // namespace relaxon
