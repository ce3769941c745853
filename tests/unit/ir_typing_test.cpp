#include <catch2/catch.hpp>

#include "ir/builder.hpp"
#include "ir/parse_attributes.hpp"
#include "ir/verify.hpp"
#include "tests/support/files.hpp"

using namespace relaxon;
using relaxon::testing::error_of;

namespace {

/// What the builder says to an op on operands of these types; patterns: @p [3,4], @d [4,4] with a diagonal.
std::string refusal(OpKind kind, const std::vector<std::string>& operands,
                    const Attributes& attributes = {}) {
  GraphBuilder b("g", 20);
  b.pattern({"p", 3, 4, false});
  b.pattern({"d", 4, 4, true});
  std::vector<ValueId> ids;
  for (const std::string& text : operands) {
    Lexer lexer(text, "type");
    ids.push_back(b.input(std::to_string(ids.size()), parse_type(lexer, b.patterns())));
  }
  return error_of([&] { b.append(kind, ids, attributes); });
}

Type type_of(Elem elem, Dims dims) { return make_type(elem, std::move(dims)); }

MessageAttributes message(MapKind kind, bool fixed = false) {
  MessageAttributes a;
  a.map.kind = kind;
  a.fixed = fixed;
  return a;
}

CorrelateAttributes correlate(Dims dims, Entries::Kind entries = Entries::Kind::dense) {
  CorrelateAttributes a;
  a.dims = std::move(dims);
  a.entries.kind = entries;
  if (entries == Entries::Kind::sparse) a.entries.pattern.index = 0;
  return a;
}

MessageAttributes convolution(MapKind kind, std::array<std::int64_t, 2> stride, std::int64_t groups,
                              Padding padding) {
  MessageAttributes a = message(kind);
  a.map.stride = stride;
  a.map.groups = groups;
  a.map.padding = padding;
  return a;
}

}  // namespace

TEST_CASE("declared types and names", "[ir][typing]") {
  const auto input = [](std::string name, Type type) {
    return refusal(OpKind::input, {}, BindingAttributes{std::move(name), std::move(type)});
  };
  Type sparse = type_of(Elem::f32, {3, 4});
  sparse.entries = {Entries::Kind::sparse, {7}};
  Type scaled = type_of(Elem::u8, {2});
  scaled.scale = std::numeric_limits<float>::infinity();
  Type offdiag = type_of(Elem::f32, {3, 3, batch_dim, 4});
  offdiag.entries.kind = Entries::Kind::offdiag;
  CHECK(input("", type_of(Elem::f32, {})) == "input: needs a name");
  CHECK(input("a\"b", type_of(Elem::f32, {})) == "input: a name holds a quote or a control character");
  CHECK(input("x", type_of(Elem::f32, {0})) == "input: an axis is a letter or at least 1 long, got f32[0]");
  CHECK(input("x", type_of(Elem::f32, {Dim::symbolic('*')})) ==
        "input: an axis is a letter or at least 1 long, got f32[*]");
  CHECK(input("x", sparse) == "input: pattern 7 is not declared");
  CHECK(input("x", scaled) == "input: the values of a type must be finite, got u8{inf}[2]");
  CHECK(input("x", offdiag) ==
        "input: offdiag entries need a weight [K,K] or an odd kernel, got f32[3,3,B,4]{offdiag}");
  CHECK(refusal(OpKind::constant, {}, ConstantAttributes{Elem::fix, 0, 0}) ==
        "const: a constant is f32 or i32, got fix");
  CHECK(refusal(OpKind::constant, {},
                ConstantAttributes{Elem::f32, std::numeric_limits<float>::infinity(), 0}) ==
        "const: a constant must be finite, got inf");
  CHECK(refusal(OpKind::zeros, {}, TypeAttributes{type_of(Elem::pm1, {2})}) ==
        "zeros: 0 is not a value of pm1[2]");
  CHECK(refusal(OpKind::probe, {"f32[]"}, NamesAttributes{{"a", "b"}}) == "probe: needs one name, got 2");
  CHECK(refusal(OpKind::probe, {"f32[]"}, NamesAttributes{{""}}) == "probe: needs a name");
  CHECK(refusal(OpKind::ret, {"f32[]"}, NamesAttributes{{"a", "b"}}) == "return: 2 names for 1 results");
  CHECK(refusal(OpKind::ret, {"f32[]", "f32[]"}, NamesAttributes{{"a", "a"}}) ==
        "return: two results are named \"a\"");
  CHECK(error_of([] { GraphBuilder("a\nb", 20); }) == "a graph's name holds a quote or a control character");
  CHECK(error_of([] {
          GraphBuilder("g", 20).pattern({"a b", 1, 1, false});
        }) == "a pattern is named \"a b\"; expected letters, digits and _ - / .");
}

TEST_CASE("typing of data movement and conversions", "[ir][typing]") {
  CHECK(refusal(OpKind::take, {"f32[]", "i32[]"}) ==
        "take: a table with at least one axis is needed, got f32[]");
  CHECK(refusal(OpKind::take, {"f32[3]", "f32[]"}) == "take: the index must be i32, got f32[]");
  CHECK(refusal(OpKind::take, {"f32[3]", "i32[2,2]"}) ==
        "take: the index must be i32[] or i32[B], got i32[2,2]");
  CHECK(refusal(OpKind::take, {"f32[3,4]{@p}", "i32[]"}) ==
        "take: the table must have all its entries, got f32[3,4]{@p}");
  CHECK(refusal(OpKind::slice, {"f32[N]", "i32[]", "i32[]"}) == "slice: the order must be i32, got f32[N]");
  CHECK(refusal(OpKind::slice, {"i32[N,2]", "i32[]", "i32[]"}) ==
        "slice: the order must be i32[N], got i32[N,2]");
  CHECK(refusal(OpKind::slice, {"i32[N]", "i64[]", "i32[]"}) == "slice: the index must be i32[], got i64[]");
  CHECK(refusal(OpKind::slice, {"i32[N]", "i32[]", "i32[1]"}) == "slice: the size must be i32[], got i32[1]");
  CHECK(refusal(OpKind::affine, {"fix[B,3]", "f32[]", "f32[]"}) ==
        "affine: the operand must hold real numbers, got fix[B,3]");
  CHECK(refusal(OpKind::affine, {"f32[B,3]", "i32[]", "f32[]"}) == "affine: a must be f32[], got i32[]");
  CHECK(refusal(OpKind::affine, {"f32[B,3]", "f32[]", "f32[3]"}) == "affine: b must be f32[], got f32[3]");
  CHECK(refusal(OpKind::affine, {"f32[3,4]{@p}", "f32[]", "f32[]"}) ==
        "affine: the operand must have all its entries, got f32[3,4]{@p}");
  CHECK(refusal(OpKind::gate, {"i32[B,3]", "f32[B]"}) ==
        "gate: the sender must hold real numbers, got i32[B,3]");
  CHECK(refusal(OpKind::gate, {"f32[B,3]", "pm1[B]"}) == "gate: the gate must be f32, got pm1[B]");
  CHECK(refusal(OpKind::gate, {"f32[B,3]", "f32[3]"}) ==
        "gate: a gate [B], [B,1], [1,d] or [B,d] is needed for f32[B,3], got f32[3]");
  CHECK(refusal(OpKind::gate, {"f32[B,4,4,2]", "f32[B,1]"}) ==
        "gate: a gate [B], [B,1], [1,d] or [B,d] is needed for f32[B,4,4,2], got f32[B,1]");
  CHECK(refusal(OpKind::gate, {"f32[5,3]", "f32[B]"}) ==
        "gate: a gate [B], [B,1], [1,d] or [B,d] is needed for f32[5,3], got f32[B]");
  CHECK(refusal(OpKind::gate, {"f32[]", "f32[]"}) ==
        "gate: a gate [B], [B,1], [1,d] or [B,d] is needed for f32[], got f32[]");
  CHECK(refusal(OpKind::subtract, {"f32[3,4]", "f32[4,3]"}) ==
        "subtract: two correlations of one shape are needed, got f32[3,4] and f32[4,3]");
  CHECK(refusal(OpKind::subtract, {"fix[3]", "fix[3]"}) ==
        "subtract: two correlations of one shape are needed, got fix[3] and fix[3]");
  CHECK(refusal(OpKind::subtract, {"f32[3,4]{@p}", "i64[3,4]"}) ==
        "subtract: two correlations of one shape are needed, got f32[3,4]{@p} and i64[3,4]");
  CHECK(refusal(OpKind::add, {"i32[B]", "i32[]"}) == "add: a must be i32[], got i32[B]");
  CHECK(refusal(OpKind::add, {"i32[]", "i64[]"}) == "add: b must be i32[], got i64[]");
  CHECK(refusal(OpKind::to_fix, {"u8{1}[B,3]"}) ==
        "to_fix: the operand must hold real numbers, got u8{1}[B,3]");
  CHECK(refusal(OpKind::to_f32, {"pm1[B,3]"}) == "to_f32: the operand must be fix, i64 or u8, got pm1[B,3]");
  CHECK(refusal(OpKind::hits, {"i32[]", "f32[B,3]", "i32[B]"}) == "hits: the count must be i64[], got i32[]");
  CHECK(refusal(OpKind::hits, {"i64[]", "fix[B,3]", "i32[B]"}) ==
        "hits: scores f32[B,C] and classes i32[B] are needed, got fix[B,3] and i32[B]");
  CHECK(refusal(OpKind::hits, {"i64[]", "f32[B,3]", "i32[N]"}) ==
        "hits: scores f32[B,C] and classes i32[B] are needed, got f32[B,3] and i32[N]");
}

TEST_CASE("typing of messages", "[ir][typing]") {
  const auto dense = message(MapKind::dense);
  CHECK(refusal(OpKind::message, {"fix[B,3]", "f32[3,4]"}, dense) ==
        "message: the sender must hold real numbers, got fix[B,3]");
  CHECK(refusal(OpKind::message, {"f32[B,3]", "f32[3,4]"}, message(MapKind::dense, true)) ==
        "message: an exact message needs a sender of -1, 0, 1, got f32[B,3]");
  CHECK(refusal(OpKind::message, {"f32[B,3]", "i64[3,4]"}, dense) ==
        "message: a weight must be f32, got i64[3,4]");
  CHECK(refusal(OpKind::message, {"f32[B,3]", "f32[4,4]"}, dense) ==
        "message: a sender [B,d] and a weight [d,K] are needed, got [B,3] and [4,4]");
  CHECK(refusal(OpKind::message, {"f32[B,D]", "f32[D,4]"}, dense) ==
        "message: a weight's axes must have lengths, got f32[D,4]");
  CHECK(refusal(OpKind::message, {"f32[]", "f32[3,4]"}, dense) ==
        "message: a sender with a batch axis is needed, got []");
  CHECK(refusal(OpKind::message, {"f32[3,4]{@p}", "f32[4,4]"}, dense) ==
        "message: the sender must have all its entries, got f32[3,4]{@p}");
  CHECK(refusal(OpKind::message, {"f32[B,4]", "f32[3]"}, message(MapKind::diag)) ==
        "message: a weight [] or [K] is needed for a sender [B,..,K], got [3] and [B,4]");
  CHECK(refusal(OpKind::message, {"f32[B,3]", "f32[3,4]{@p}"}, message(MapKind::diag)) ==
        "message: a diag map takes a weight with all entries, got f32[3,4]{@p}");
  CHECK(refusal(OpKind::advance, {"fix[B,4]", "tern[B,3]", "f32[B,3]", "f32[3,4]"},
                message(MapKind::dense, true)) ==
        "advance: two senders of -1, 0, 1 of one shape are needed, got tern[B,3] and f32[B,3]");
  CHECK(refusal(OpKind::advance, {"fix[B,4]", "tern[B,3]", "pm1[B,3]", "f32[3,4]"}, dense) ==
        "advance: advances exact fields only; fixed is missing");
  CHECK(refusal(OpKind::advance, {"fix[B,3]", "tern[B,3]", "pm1[B,3]", "f32[3,4]"},
                message(MapKind::dense, true)) ==
        "advance: advances exact fields of the message's shape fix[B,4], got fix[B,3]");
  CHECK(refusal(OpKind::aggregate, {"pm1[B,3]"}) == "aggregate: messages must be fix or f32, got pm1[B,3]");
  CHECK(refusal(OpKind::aggregate, {"fix[B,3]", "f32[B,3]"}) ==
        "aggregate: messages differ in type: fix[B,3] and f32[B,3]");
  CHECK(refusal(OpKind::threshold, {"pm1[B,3]"}, ThresholdAttributes{Activation::sign}) ==
        "threshold: the field must be fix or f32, got pm1[B,3]");
  CHECK(refusal(OpKind::threshold, {"fix[B,3]"}, ThresholdAttributes{Activation::tanh}) ==
        "threshold: the field of tanh must be f32, got fix[B,3]");
}

TEST_CASE("typing of images", "[ir][typing]") {
  const std::string image = "f32[B,4,4,2]";
  const auto conv = [](Padding padding) { return convolution(MapKind::conv, {1, 1}, 1, padding); };
  CHECK(refusal(OpKind::message, {"f32[B,4]", "f32[3,3,2,2]"}, conv(Padding::none)) ==
        "message: a sender of shape [B,H,W,C] is needed, got [B,4]");
  CHECK(refusal(OpKind::message, {"f32[B,H,4,2]", "f32[3,3,2,2]"}, conv(Padding::none)) ==
        "message: a sender of shape [B,H,W,C] is needed, got [B,H,4,2]");
  CHECK(refusal(OpKind::message, {image, "f32[3,3,2]"}, conv(Padding::none)) ==
        "message: a kernel of shape [kh,kw,C,C'] is needed, got [3,3,2]");
  CHECK(refusal(OpKind::message, {image, "f32[5,5,2,2]"}, conv(Padding::none)) ==
        "message: a kernel of 5 doesn't fit 4 padded pixels");
  CHECK(refusal(OpKind::message, {"f32[B,2,2,2]", "f32[5,5,2,2]"}, conv(Padding::reflect)) ==
        "message: reflect padding by 2 needs more than 2 pixels, got 2");
  CHECK(refusal(OpKind::message, {image, "f32[3,3,3,2]"}, conv(Padding::none)) ==
        "message: a kernel of 1 x 3 input channels, a sender of 2");
  CHECK(refusal(OpKind::message, {image, "f32[3,3,1,3]"},
                convolution(MapKind::conv, {1, 1}, 2, Padding::none)) ==
        "message: 2 groups don't divide 3 channels");
  CHECK(refusal(OpKind::message, {image, "f32[3,3,2,2]"},
                convolution(MapKind::conv, {0, 1}, 1, Padding::none)) ==
        "message: stride is 0x1; both must be at least 1");
  CHECK(refusal(OpKind::message, {image, "f32[3,3,1,2]"},
                convolution(MapKind::convt, {1, 1}, 2, Padding::none)) ==
        "message: a convt map takes stride and padding");
  CHECK(refusal(OpKind::message, {image, "f32[3,3,2,2]"},
                convolution(MapKind::convt, {4, 4}, 1, Padding::none)) ==
        "message: a dilated kernel doesn't fit 4 padded pixels");
  MessageAttributes repeat = message(MapKind::repeat);
  CHECK(refusal(OpKind::message, {image, "f32[]"}, repeat) ==
        "message: kernel is 0x0; both must be at least 1");
  repeat.map.kernel = {2, 2};
  CHECK(refusal(OpKind::message, {image, "f32[2]"}, repeat) ==
        "message: a repeat map takes a weight [], got [2]");
  repeat.map.crop = {4, 0};
  CHECK(refusal(OpKind::message, {image, "f32[]"}, repeat) ==
        "message: cropping 4x0 leaves nothing of [B,4,4,2]");
  repeat.map.groups = 2;
  CHECK(refusal(OpKind::message, {image, "f32[]"}, repeat) == "message: a repeat map takes kernel and crop");
  MessageAttributes broadcast = message(MapKind::broadcast);
  broadcast.map.axes = {2};
  broadcast.map.shape = {3};
  CHECK(refusal(OpKind::message, {"f32[B,3]", "f32[]"}, broadcast) ==
        "message: axis 2 of [B,3]; axes are 1 .. 1");
  broadcast.map.shape = {4, 5};
  CHECK(refusal(OpKind::message, {"f32[B,3]", "f32[]"}, broadcast) ==
        "message: [B,3] doesn't broadcast to [B,4,5]");
  broadcast.map.shape = {3, 0};
  CHECK(refusal(OpKind::message, {"f32[B,3]", "f32[]"}, broadcast) ==
        "message: an axis of length 0; expected at least 1");
  broadcast.map.shape = {3, 5};
  CHECK(refusal(OpKind::message, {"f32[B,3,5]", "f32[]"}, broadcast) ==
        "message: [B,3,5] doesn't broadcast to [B,3,5]");
  CHECK(refusal(OpKind::message, {"f32[B,3]", "f32[1]"}, broadcast) ==
        "message: a broadcast map takes a weight [], got [1]");
  WindowAttributes window;
  CHECK(refusal(OpKind::majority, {"f32[B,4]"}, window) ==
        "majority: a sender of shape [B,H,W,C] is needed, got [B,4]");
  CHECK(refusal(OpKind::majority, {"fix[B,4,4,2]"}, window) ==
        "majority: the sender must hold real numbers, got fix[B,4,4,2]");
  window.kernel = {0, 2};
  CHECK(refusal(OpKind::majority, {image}, window) == "majority: kernel is 0x2; both must be at least 1");
  window.kernel = {2, 5};
  CHECK(refusal(OpKind::majority, {image}, window) == "majority: a kernel of 5 doesn't fit 4 padded pixels");
  window.kernel = {1, 1};
  window.axes = {0};
  CHECK(refusal(OpKind::majority, {image}, window) == "majority: axis 0 of [B,4,4,2]; axes are 1 .. 3");
}

TEST_CASE("typing of learning", "[ir][typing]") {
  const ErrorAttributes perceptron{Rule::perceptron};
  CHECK(refusal(OpKind::error, {"u8{1}[B,4]", "fix[B,4]", "f32[]"}, perceptron) ==
        "error: the target must hold real numbers, got u8{1}[B,4]");
  CHECK(refusal(OpKind::error, {"tern[B,4]", "fix[B,3]", "f32[]"}, perceptron) ==
        "error: target tern[B,4] and field fix[B,3] differ in shape");
  CHECK(refusal(OpKind::error, {"tern[B,4]", "tern[B,4]", "f32[]"}, perceptron) ==
        "error: the field must be fix or f32, got tern[B,4]");
  CHECK(refusal(OpKind::error, {"f32[3,4]", "f32[3,4]{@p}", "f32[]"}, perceptron) ==
        "error: the field must have all its entries, got f32[3,4]{@p}");
  CHECK(refusal(OpKind::error, {"tern[B,4]", "fix[B,4]"}, perceptron) ==
        "error: perceptron takes 1 margins, got 0");
  CHECK(refusal(OpKind::error, {"tern[B,4]", "fix[B,4]", "f32[3]"}, perceptron) ==
        "error: a margin must be f32[] or f32[K] for a field [B,4], got f32[3]");
  CHECK(refusal(OpKind::error, {"tern[B,4]", "fix[B,4]", "f32[]"}, ErrorAttributes{Rule::softmax}) ==
        "error: softmax takes 0 margins, got 1");
  CHECK(refusal(OpKind::error, {"f32[]", "f32[]"}, ErrorAttributes{Rule::softmax}) ==
        "error: softmax needs a field with an axis of classes, got f32[]");
  CHECK(refusal(OpKind::error, {"tern[B,4]", "fix[B,4]", "f32[]"}, ErrorAttributes{Rule::truncated}) ==
        "error: truncated takes 2 margins, got 1");
  CHECK(refusal(OpKind::correlate, {"fix[B,3]", "tern[B,4]"}, correlate({3, 4})) ==
        "correlate: the sender must hold real numbers or bytes, got fix[B,3]");
  CHECK(refusal(OpKind::correlate, {"tern[B,3]", "fix[B,4]"}, correlate({3, 4})) ==
        "correlate: the error must hold real numbers, got fix[B,4]");
  CHECK(refusal(OpKind::correlate, {"tern[B,3]", "tern[B,4]"}, correlate({3, 5})) ==
        "correlate: a weight f32[3,5] makes messages [B,5], the error is tern[B,4]");
  CHECK(refusal(OpKind::correlate, {"tern[B,3]", "tern[B,4]"}, correlate({3, 4}, Entries::Kind::offdiag)) ==
        "correlate: offdiag entries need a weight [K,K] or an odd kernel, got f32[3,4]{offdiag}");
  CHECK(refusal(OpKind::correlate, {"tern[B,4]", "tern[B,3]"}, correlate({4, 3}, Entries::Kind::sparse)) ==
        "correlate: pattern @p has shape [3,4], the weight f32[4,3]{@p}");
  CHECK(refusal(OpKind::correlate, {"f32[3,4]{@p}", "tern[3,4]"}, correlate({4, 4})) ==
        "correlate: sender and error must have all their entries, got f32[3,4]{@p}");
  CHECK(refusal(OpKind::update, {"tern[B,3]", "tern[B,4]", "fix[B,4]"},
                UpdateAttributes{Rule::perceptron, correlate({3, 4})}) ==
        "update: perceptron takes 1 margins, got 0");
  const ApplyAttributes sgd{ApplyRule::sgd, {}};
  CHECK(refusal(OpKind::apply, {"f32[3,4]", "f32[3,4]", "f32[3,4]", "f32[2]"}, sgd) ==
        "apply: sgd takes a weight, 0 moments, a correlation and scalars, got 4 operands");
  CHECK(refusal(OpKind::apply, {"i64[3,4]", "i64[3,4]", "f32[2]"}, sgd) ==
        "apply: a weight must be f32, got i64[3,4]");
  CHECK(refusal(OpKind::apply, {"f32[3,4]", "f32[3,4]", "f32[4]"}, sgd) ==
        "apply: sgd takes scalars f32[2], got f32[4]");
  CHECK(refusal(OpKind::apply, {"f32[3,4]{@p}", "f32[3,4]", "f32[2]"}, sgd) ==
        "apply: the correlation must have the weight's shape f32[3,4]{@p}, got f32[3,4]");
  CHECK(refusal(OpKind::apply, {"f32[B,4]", "f32[B,4]", "f32[2]"}, sgd) ==
        "apply: a weight's axes must have lengths, got f32[B,4]");
  CHECK(refusal(OpKind::apply, {"f32[4,4]{@d}", "f32[4,4]", "f32[4,4]{@d}", "f32[4]"},
                ApplyAttributes{ApplyRule::momentum, {}}) ==
        "apply: a moment must be as the weight, f32[4,4]{@d}, got f32[4,4]");
}

TEST_CASE("typing of loops", "[ir][typing]") {
  GraphBuilder b("g", 20);
  const ValueId n = b.input("n", type_of(Elem::i32, {}));
  const ValueId x = b.input("x", type_of(Elem::pm1, {batch_dim, 3}));
  const ValueId h = b.input("h", type_of(Elem::fix, {batch_dim, 3}));
  const auto run = [&](OpKind kind, std::vector<ValueId> operands, std::vector<ValueId> yielded,
                       ScanAttributes scan = {}) {
    return error_of([&] {
      b.begin(kind, std::move(operands), kind == OpKind::scan ? Attributes(scan) : Attributes());
      b.end(std::move(yielded));
    });
  };
  CHECK(run(OpKind::scan, {}, {}) == "scan: takes at least 1 operands, got 0");
  CHECK(run(OpKind::scan, {x}, {}) == "scan: the number of iterations must be i32[], got pm1[B,3]");
  CHECK(run(OpKind::scan, {n, x}, {}) == "scan: carries 1 values, the body yields 0");
  CHECK(run(OpKind::scan, {n, x}, {h}) == "scan: carry 0 is pm1[B,3], the body yields fix[B,3]");
  CHECK(run(OpKind::loop, {n, x, h}, {x, x}) == "for: carry 1 is fix[B,3], the body yields pm1[B,3]");
  CHECK(run(OpKind::scan, {n, x}, {x}, ScanAttributes{{1}}) == "scan: until names carry 1 of 1");
  CHECK(run(OpKind::fuse, {x}, {x}) == "fuse: takes 0 operands, got 1");
}

TEST_CASE("values of a body end with it", "[ir][typing]") {
  GraphBuilder b("g", 20);
  const ValueId n = b.input("n", type_of(Elem::i32, {}));
  const ValueId x = b.input("x", type_of(Elem::tern, {batch_dim, 3}));
  const std::vector<ValueId> carried = b.begin(OpKind::scan, {n, x}, ScanAttributes{});
  b.name(carried[0], "s");
  b.end({carried[0]});
  CHECK(error_of([&] { b.one(OpKind::to_fix, {carried[0]}); }) ==
        "to_fix: operand %s : tern[B,3] is defined in a body that has ended");
}

TEST_CASE("a carry may become a value within its type", "[ir][typing]") {
  const std::vector<Type> real{type_of(Elem::pm1, {batch_dim, 3}), type_of(Elem::tern, {batch_dim, 3}),
                               type_of(Elem::f32, {batch_dim, 3})};
  for (std::size_t outer = 0; outer < real.size(); ++outer) {
    for (std::size_t inner = 0; inner < real.size(); ++inner) {
      GraphBuilder b("g", 20);
      const ValueId n = b.input("n", type_of(Elem::i32, {}));
      const ValueId start = b.input("start", real[outer]);
      const ValueId next = b.input("next", real[inner]);
      b.begin(OpKind::scan, {n, start}, ScanAttributes{});
      const bool fits = error_of([&] { b.end({next}); }) == "no error";
      CHECK(fits == (inner <= outer));
    }
  }
}
