#include <catch2/catch.hpp>

#include "ir/text.hpp"
#include "tests/support/files.hpp"

using namespace relaxon;
using relaxon::testing::error_of;

namespace {

std::string error_in(const std::string& text) {
  return error_of([&] { (void)parse(text, "g.rx"); });
}

/// The error of a body below the declarations that most cases need; its first line is line 7.
std::string error_below(const std::string& body) {
  return error_in(
      "graph \"g\" fixed 20\npattern @1-0 [3,4]\n"
      "%x = input \"x\" : tern[B,3]\n%w = param \"w\" : f32[3,4]\n"
      "%h = input \"h\" : fix[B,4]\n%n = input \"n\" : i32[]\n" +
      body);
}

}  // namespace

TEST_CASE("header and patterns", "[ir][parse]") {
  CHECK(error_in("") == "g.rx:1:1: expected 'graph', found the end");
  CHECK(error_in("digraph") == "g.rx:1:1: expected 'graph', found 'digraph'");
  CHECK(error_in("graph g") == "g.rx:1:7: expected the graph's name in quotes, found 'g'");
  CHECK(error_in("graph \"g\"") == "g.rx:1:10: expected 'fixed', found the end");
  CHECK(error_in("graph \"g\" fixed many") == "g.rx:1:17: expected the number of fixed bits, found 'many'");
  CHECK(error_in("graph \"g\" fixed 3") == "g.rx:1:17: graph g: fixed = 3; expected 4 .. 26");
  CHECK(error_in("graph \"g\" fixed 27") == "g.rx:1:17: graph g: fixed = 27; expected 4 .. 26");
  CHECK(error_in("graph \"g\" fixed 99999999") == "g.rx:1:17: graph g: fixed = 99999999; expected 4 .. 26");
  CHECK(error_in("graph \"g\" fixed 20\npattern p [2,2]") ==
        "g.rx:2:9: expected a pattern's name, @name, found 'p'");
  CHECK(error_in("graph \"g\" fixed 20\npattern @p [2]") == "g.rx:2:14: expected ',', found ']'");
  CHECK(error_in("graph \"g\" fixed 20\npattern @p [0,2]\nreturn") ==
        "g.rx:2:9: pattern @p has shape [0,2]; both must be at least 1");
  CHECK(error_in("graph \"g\" fixed 20\npattern @p [2,2]\npattern @p [2,2]\nreturn") ==
        "g.rx:3:9: pattern @p is declared twice");
  CHECK(error_in("graph \"g\" fixed 20\npattern @p [2,3] fixed_diagonal\nreturn") ==
        "g.rx:2:9: pattern @p has a diagonal but shape [2,3]");
}

TEST_CASE("characters, strings and names", "[ir][parse]") {
  CHECK(error_in("graph \"g") == "g.rx:1:7: a string without its closing quote");
  CHECK(error_in("graph \"a\nb\" fixed 20") == "g.rx:1:7: a string without its closing quote");
  CHECK(error_in("graph \"a\tb\" fixed 20") == "g.rx:1:7: a string without its closing quote");
  CHECK(error_below("%x; ") == "g.rx:7:3: unexpected character ';'");
  CHECK(error_below("\xff") == "g.rx:7:1: unexpected character 0xff");
  CHECK(error_below("% = const 1 : f32[]") == "g.rx:7:1: '%' without a name");
  CHECK(error_below("%v = zeros : f32[3,4]{@ }") == "g.rx:7:23: '@' without a name");
}

TEST_CASE("statements", "[ir][parse]") {
  CHECK(error_below("%v to_fix %x\nreturn") == "g.rx:7:4: expected '=', found 'to_fix'");
  CHECK(error_below("%v = %x\nreturn") == "g.rx:7:6: expected an op, found %x");
  CHECK(error_below("%v = negate %x\nreturn") == "g.rx:7:6: unknown op 'negate'");
  CHECK(error_below("yield %x") == "g.rx:7:1: 'yield' can't stand here");
  CHECK(error_below("%v = to_fix %y\nreturn") == "g.rx:7:13: %y is not defined before its use");
  CHECK(error_below("%v = to_fix %v\nreturn") == "g.rx:7:13: %v is not defined before its use");
  CHECK(error_below("%x = to_fix %x\nreturn") == "g.rx:7:1: %x is defined twice");
  CHECK(error_below("%v, %v = scan %n (%a = %x, %b = %x) {\n yield %a, %b\n}\nreturn") ==
        "g.rx:7:5: %v is defined twice");
  CHECK(error_below("%v = to_fix\nreturn") == "g.rx:7:6: to_fix: takes 1 operands, got 0");
  CHECK(error_below("%v = to_fix %x, %x\nreturn") == "g.rx:7:6: to_fix: takes 1 operands, got 2");
  CHECK(error_below("%v = update %x, %x\n{perceptron dense} : i64[3,4]\nreturn") ==
        "g.rx:7:6: update: takes 3 to 5 operands, got 2");
  CHECK(error_below("%v = aggregate\nreturn") == "g.rx:7:6: aggregate: takes at least 1 operands, got 0");
  CHECK(error_below("%v, %u = to_fix %x\nreturn") == "g.rx:7:10: to_fix has 1 results, 2 names are given");
  CHECK(error_below("to_fix %x\nreturn") == "g.rx:7:1: to_fix has 1 results, 0 names are given");
  CHECK(error_below("%v = probe \"p\" %x\nreturn") == "g.rx:7:6: probe has 0 results, 1 names are given");
  CHECK(error_below("%v = input \"x\" : f32[]\nreturn") == "g.rx:7:6: input: two bindings are named \"x\"");
  CHECK(error_below("%v = input \"\" : f32[]\nreturn") == "g.rx:7:6: input: needs a name");
  CHECK(error_below("%v = input x : f32[]\nreturn") == "g.rx:7:12: expected a name in quotes, found 'x'");
  CHECK(error_below("fuse {\n %v = input \"v\" : f32[]\n yield\n}\nreturn") ==
        "g.rx:8:7: input: \"v\" stands in a body; bindings stand outside");
}

TEST_CASE("types", "[ir][parse]") {
  CHECK(error_below("%v = to_fix %x : f32[B,3]\nreturn") == "g.rx:7:6: to_fix gives fix[B,3], not f32[B,3]");
  CHECK(error_below("%v = to_fix %x : fix[B,3], fix[B,3]\nreturn") ==
        "g.rx:7:6: to_fix has 1 results, 2 types are given");
  CHECK(error_below("%v = zeros\nreturn") == "g.rx:8:1: expected ':', found 'return'");
  CHECK(error_below("%v = zeros : f64[2]\nreturn") == "g.rx:7:14: expected a type, found 'f64'");
  CHECK(error_below("%v = zeros : f32\nreturn") == "g.rx:8:1: expected '[', found 'return'");
  CHECK(error_below("%v = zeros : f32[2 3]\nreturn") == "g.rx:7:20: expected ',', found '3'");
  CHECK(error_below("%v = zeros : f32[0]\nreturn") ==
        "g.rx:7:18: an axis length is 0; expected 1 .. 2147483648");
  CHECK(error_below("%v = zeros : f32[-2]\nreturn") ==
        "g.rx:7:18: an axis length is -2; expected 1 .. 2147483648");
  CHECK(error_below("%v = zeros : f32[2147483649]\nreturn") ==
        "g.rx:7:18: an axis length is 2147483649; expected 1 .. 2147483648");
  CHECK(error_below("%v = zeros : f32[2147483648,2147483648,2]\nreturn") ==
        "g.rx:7:17: a shape of 9.22e+18 elements is too large");
  CHECK(error_below("%v = zeros : f32[99999999999999999999]\nreturn") ==
        "g.rx:7:18: expected an axis length, found '99999999999999999999'");
  CHECK(error_below("%v = zeros : f32[Batch]\nreturn") ==
        "g.rx:7:18: expected an axis length, found 'Batch'");
  CHECK(error_below("%v = zeros : two[2]\nreturn") == "g.rx:7:17: expected '{', found '['");
  CHECK(error_below("%v = zeros : two{1}[2]\nreturn") == "g.rx:7:19: expected ',', found '}'");
  CHECK(error_below("%v = zeros : u8{1e99}[2]\nreturn") == "g.rx:7:17: expected a scale, found '1e99'");
  CHECK(error_below("%v = zeros : pm1[2]\nreturn") == "g.rx:7:6: zeros: 0 is not a value of pm1[2]");
  CHECK(error_below("%v = zeros : f32[3,4]{@2-0}\nreturn") == "g.rx:7:23: pattern @2-0 is not declared");
  CHECK(error_below("%v = zeros : f32[4,3]{@1-0}\nreturn") ==
        "g.rx:7:6: zeros: pattern @1-0 has shape [3,4], the weight f32[4,3]{@1-0}");
  CHECK(error_below("%v = zeros : f32[3,4]{offdiag}\nreturn") ==
        "g.rx:7:6: zeros: offdiag entries need a weight [K,K] or an odd kernel, got f32[3,4]{offdiag}");
  CHECK(error_below("%v = zeros : f32[3,4]{dense}\nreturn") ==
        "g.rx:7:23: expected offdiag or a pattern, found 'dense'");
  CHECK(error_below("%v = correlate %x, %x {dense}\nreturn") == "g.rx:8:1: expected ':', found 'return'");
}

TEST_CASE("numbers", "[ir][parse]") {
  CHECK(error_below("%v = const one : f32[]\nreturn") == "g.rx:7:12: expected a number, found 'one'");
  CHECK(error_below("%v = const 1e : f32[]\nreturn") == "g.rx:7:12: expected a number, found '1e'");
  CHECK(error_below("%v = const 1.2.3 : f32[]\nreturn") == "g.rx:7:12: expected a number, found '1.2.3'");
  CHECK(error_below("%v = const 1e40 : f32[]\nreturn") == "g.rx:7:12: expected a number, found '1e40'");
  CHECK(error_below("%v = const 1.5 : i32[]\nreturn") == "g.rx:7:12: expected an integer, found '1.5'");
  CHECK(error_below("%v = const 2147483648 : i32[]\nreturn") ==
        "g.rx:7:12: expected an integer, found '2147483648'");
  CHECK(error_below("%v = const 1 : i64[]\nreturn") == "g.rx:7:6: const: a constant is f32 or i32, got i64");
  CHECK(error_below("%v = const 1 : f32[2]\nreturn") == "g.rx:7:6: const gives f32[], not f32[2]");
}

TEST_CASE("attributes", "[ir][parse]") {
  CHECK(error_below("%v = message %x, %w\nreturn") == "g.rx:8:1: expected '{', found 'return'");
  CHECK(error_below("%v = message %x, %w {fixed}\nreturn") ==
        "g.rx:7:22: expected a map: dense, diag, conv, convt, repeat or broadcast, found 'fixed'");
  CHECK(error_below("%v = message %x, %w {dense quick}\nreturn") == "g.rx:7:28: unknown attribute 'quick'");
  CHECK(error_below("%v = message %x, %w {dense 3}\nreturn") ==
        "g.rx:7:28: expected an attribute or '}', found '3'");
  CHECK(error_below("%v = message %x, %w {dense edge}\nreturn") == "g.rx:7:32: expected '=', found '}'");
  CHECK(error_below("%v = message %x, %w {dense edge=1}\nreturn") ==
        "g.rx:7:34: expected a sender, found '}'");
  CHECK(error_below("%v = message %x, %w {dense edge=2000000-0}\nreturn") ==
        "g.rx:7:33: a receiver is 2000000; expected 0 .. 1048576");
  CHECK(error_below("%v = message %x, %w {conv stride=2}\nreturn") ==
        "g.rx:7:35: expected 'x' and a number, found '}'");
  CHECK(error_below("%v = message %x, %w {conv stride=2y2}\nreturn") ==
        "g.rx:7:35: expected 'x' and a number, found 'y2'");
  CHECK(error_below("%v = message %x, %w {conv stride=2x2000000}\nreturn") ==
        "g.rx:7:35: expected 'x' and a number, found 'x2000000'");
  CHECK(error_below("%v = message %x, %w {conv stride=2000000x2}\nreturn") ==
        "g.rx:7:34: stride is 2000000; expected 0 .. 1048576");
  CHECK(error_below("%v = message %x, %w {conv groups=0}\nreturn") ==
        "g.rx:7:34: groups is 0; expected 1 .. 1048576");
  CHECK(error_below("%v = message %x, %w {conv padding=zeros}\nreturn") ==
        "g.rx:7:35: expected none, constant, edge or reflect, found 'zeros'");
  CHECK(error_below("%v = message %x, %w {dense stride=2x2}\nreturn") ==
        "g.rx:7:6: message: a dense map takes no settings");
  CHECK(error_below("%v = majority %x {axes=}\nreturn") == "g.rx:7:24: expected an axis, found '}'");
  CHECK(error_below("%v = majority %x {axes=2}\nreturn") ==
        "g.rx:7:6: majority: axis 2 of [B,3]; axes are 1 .. 1");
  CHECK(error_below("%v = majority %x {axes=1 kernel=2x2}\nreturn") ==
        "g.rx:7:6: majority: a majority takes kernel, stride and padding, or axes, not both");
  CHECK(error_below("%v = majority %x {groups=2}\nreturn") == "g.rx:7:19: unknown attribute 'groups'");
  CHECK(error_below("%v = threshold %h {relu}\nreturn") ==
        "g.rx:7:20: expected an activation: sign, sign0, tanh or identity, found 'relu'");
  CHECK(error_below("%v = threshold %h {sign sign}\nreturn") == "g.rx:7:25: expected '}', found 'sign'");
  CHECK(error_below("%v = error %x, %h {hebb}\nreturn") ==
        "g.rx:7:20: expected a rule: perceptron, strict, softmax, tanh or truncated, found 'hebb'");
  CHECK(error_below("%v = apply %w, %w, %w {rmsprop}\nreturn") ==
        "g.rx:7:24: expected an optimizer: sgd, momentum, nesterov, adam or adamw, found 'rmsprop'");
  CHECK(error_below("%v = apply %w, %w, %w {sgd fixed}\nreturn") == "g.rx:7:28: unknown attribute 'fixed'");
}

TEST_CASE("bodies", "[ir][parse]") {
  CHECK(error_below("%v = scan %n %x\nreturn") == "g.rx:7:14: expected '(', found %x");
  CHECK(error_below("%v = scan %n (%s) {\n yield %s\n}\nreturn") == "g.rx:7:17: expected '=', found ')'");
  CHECK(error_below("%v = scan %n (%s = %x %r = %x) {\n yield %s\n}\nreturn") ==
        "g.rx:7:23: expected ',', found %r");
  CHECK(error_below("%v = scan %n (%s = %x, %s = %x) {\n yield %s, %s\n}\nreturn") ==
        "g.rx:7:24: %s is defined twice");
  CHECK(error_below("%v = scan %n (%s = %x) until changed(%s) {\n yield %s\n}\nreturn") ==
        "g.rx:7:30: expected 'unchanged', found 'changed'");
  CHECK(error_below("%v = scan %n (%s = %x) until unchanged(%x) {\n yield %s\n}\nreturn") ==
        "g.rx:7:40: %x is not a carry of this scan");
  CHECK(error_below("%v = scan %n (%s = %x) {\n}\nreturn") == "g.rx:8:1: expected an op, found '}'");
  CHECK(error_below("%v = scan %n (%s = %x) {\n return %s\n}\nreturn") ==
        "g.rx:8:2: 'return' can't stand here");
  CHECK(error_below("%v = scan %n (%s = %x) {\n yield %s") == "g.rx:8:10: expected '}', found the end");
  CHECK(error_below("%v = scan %n (%s = %x) {\n yield %h\n}\nreturn") ==
        "g.rx:7:6: scan: carry 0 is tern[B,3], the body yields fix[B,4]");
  CHECK(error_below("%v = scan %n (%s = %x) {\n yield\n}\nreturn") ==
        "g.rx:7:6: scan: carries 1 values, the body yields 0");
  CHECK(error_below("%v = scan %h (%s = %x) {\n yield %s\n}\nreturn") ==
        "g.rx:7:6: scan: the number of iterations must be i32[], got fix[B,4]");
  CHECK(error_below("%v = scan %n (%s = %x) {\n yield %s\n} : pm1[B,3]\nreturn") ==
        "g.rx:7:6: scan gives tern[B,3], not pm1[B,3]");
  CHECK(error_below("scan %n (%s = %x) {\n yield %s\n}\nreturn") ==
        "g.rx:7:1: scan has 1 results, 0 names are given");
  CHECK(error_below("%v = scan %n (%s = %x) {\n yield %s\n}\nreturn \"s\" %s") ==
        "g.rx:10:12: %s is not defined before its use");
  CHECK(error_below("%v = for %n (%s = %x) {\n yield %s\n}\nreturn") == "g.rx:7:13: expected ',', found '('");
  CHECK(error_below("%v = for %n, (%s = %x) {\n yield %s\n}\nreturn") ==
        "g.rx:7:14: expected the index, %name, found '('");
  CHECK(error_below("fuse %x {\n yield\n}\nreturn") == "g.rx:7:6: expected '{', found %x");
  std::string deep;
  for (int i = 0; i < 65; ++i) deep += "fuse {";
  CHECK(error_below(deep) == "g.rx:7:385: bodies are nested more than 64 deep");
}

TEST_CASE("the end", "[ir][parse]") {
  CHECK(error_below("") == "g.rx:7:1: expected an op, found the end");
  CHECK(error_below("return \"x\" %x %h") ==
        "g.rx:7:15: expected a result, \"name\" %value, or the end, found %h");
  CHECK(error_below("return \"x\" %x,") == "g.rx:7:15: expected a result, \"name\" %value, found the end");
  CHECK(error_below("return \"x\" %y") == "g.rx:7:12: %y is not defined before its use");
  CHECK(error_below("return \"x\"") == "g.rx:7:11: expected a value, %name, found the end");
  CHECK(error_below("return %x") == "g.rx:7:8: expected a result, \"name\" %value, or the end, found %x");
  CHECK(error_below("return \"x\" %x, \"x\" %h") == "g.rx:7:8: return: two results are named \"x\"");
  CHECK(error_below("return \"\" %x") == "g.rx:7:8: return: needs a name");
  CHECK(error_below("return\nreturn") ==
        "g.rx:8:1: expected a result, \"name\" %value, or the end, found 'return'");
  CHECK(error_below("return\n%v = const 1 : f32[]") ==
        "g.rx:8:1: expected a result, \"name\" %value, or the end, found %v");
}
