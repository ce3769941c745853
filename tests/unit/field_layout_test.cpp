#include "passes/plan/field_layout.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "ir/text.hpp"
#include "ir/verify.hpp"
#include "passes/plan/plan.hpp"
#include "tests/support/run_graph.hpp"

namespace relaxon {
namespace {

// S is sparse, D dense.
const std::string head = R"(graph "g" fixed 20
pattern @s [3,3]
%n = input "n" : i32[]
%two = input "two" : i32[]
%rows = input "rows" : i32[B]
%table = input "table" : fix[N,3]
%x = input "x" : tern[B,3]
%b = input "b" : fix[B,3]
%r = input "r" : f32[B,3]
%D = param "D" : f32[3,3]
%S = param "S" : f32[3,3]{@s}
)";

/// The values whose fields lie by sample, of a graph that goes on with `ops`.
std::vector<std::string> by_sample(const std::string& ops) {
  const Graph graph = parse(head + ops, "test.rx");
  verify(graph, Stage::optimised);
  const FieldLayout layout(graph);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < graph.value_count(); ++i) {
    const ValueId value{static_cast<std::int32_t>(i)};
    if (graph.type(value).elem == Elem::fix && layout.by_sample(value))
      names.push_back(graph.value(value).hint);
  }
  return names;
}

using Names = std::vector<std::string>;

TEST_CASE("messages lie as their weight's kernel has them", "[plan][layout]") {
  CHECK(by_sample("%h = message %x, %D {dense fixed} return \"h\" %h") == Names{"h"});
  CHECK(by_sample("%h = message %x, %S {dense fixed} return \"h\" %h") == Names{});
  CHECK(by_sample("%g = message %x, %D {dense fixed} %h = advance %g, %x, %x, %D {dense fixed} "
                  "return \"h\" %h") == Names{"g", "h"});
  CHECK(by_sample("%g = message %x, %S {dense fixed} %h = advance %g, %x, %x, %S {dense fixed} "
                  "return \"h\" %h") == Names{});
  CHECK(by_sample("%w = input \"w\" : f32[3] %h = message %x, %w {diag fixed} return \"h\" %h") == Names{});
  CHECK(by_sample("%w = input \"w\" : f32[3,3] %h = message %x, %w {dense fixed} return \"h\" %h") ==
        Names{});
}

TEST_CASE("fields without a preference lie as what they are added to", "[plan][layout]") {
  for (const std::string field : {"%f = take %table, %rows ", "%f = to_fix %r ", "%f = zeros : fix[B,3] "}) {
    INFO(field);
    CHECK(by_sample(field + "return \"f\" %f") == Names{});
    CHECK(by_sample(field + "%m = message %x, %D {dense fixed} %h = aggregate %f, %m return \"h\" %h") ==
          Names{"f", "m", "h"});
    CHECK(by_sample(field + "%m = message %x, %S {dense fixed} %h = aggregate %f, %m return \"h\" %h") ==
          Names{});
    // What is by lane somewhere stays by lane: it is turned on the way.
    CHECK(by_sample(field + "%m = message %x, %D {dense fixed} %k = message %x, %S {dense fixed} "
                            "%h = aggregate %f, %m %g = aggregate %f, %k return \"h\" %h, \"g\" %g") ==
          Names{"m", "h"});
  }
}

TEST_CASE("one message by sample is enough for a sum", "[plan][layout]") {
  const std::string messages = "%d = message %x, %D {dense fixed} %s = message %x, %S {dense fixed} ";
  CHECK(by_sample(messages + "%h = aggregate %s, %d return \"h\" %h") == Names{"d", "h"});
  CHECK(by_sample(messages + "%h = aggregate %d, %s return \"h\" %h") == Names{"d", "h"});
  CHECK(by_sample(messages + "%h = aggregate %s, %s return \"h\" %h") == Names{"d"});
  CHECK(by_sample("%f = take %table, %rows %g = to_fix %r %h = aggregate %f, %g return \"h\" %h") == Names{});
  CHECK(by_sample(messages + "%h = aggregate %s, %d %t = fuse { %g = aggregate %h, %s %u = threshold %g "
                             "{sign} yield %u } : pm1[B,3] return \"t\" %t") == Names{"d", "h", "g"});
}

TEST_CASE("a carry lies as what its loop yields, else as its start", "[plan][layout]") {
  const auto scan = [](const std::string& start, const std::string& body) {
    return start + "%h = scan %n (%c = %f) { " + body + " yield %y } : fix[B,3] return \"h\" %h";
  };
  const std::string dense_start = "%f = message %x, %D {dense fixed} ";
  const std::string sparse_start = "%f = message %x, %S {dense fixed} ";
  const std::string free_start = "%f = take %table, %rows ";
  const std::string dense_body = "%t = threshold %c {sign} %y = message %t, %D {dense fixed}";
  const std::string sparse_body = "%t = threshold %c {sign} %y = message %t, %S {dense fixed}";
  CHECK(by_sample(scan(dense_start, dense_body)) == Names{"f", "c", "y", "h"});
  CHECK(by_sample(scan(sparse_start, dense_body)) == Names{"c", "y", "h"});
  CHECK(by_sample(scan(free_start, dense_body)) == Names{"f", "c", "y", "h"});
  CHECK(by_sample(scan(dense_start, sparse_body)) == Names{"f"});
  CHECK(by_sample(scan(free_start, sparse_body)) == Names{});
  // A carry that depends on itself alone.
  CHECK(by_sample(scan(dense_start, "%y = aggregate %c, %c")) == Names{"f", "c", "y", "h"});
  CHECK(by_sample(scan(sparse_start, "%y = aggregate %c, %c")) == Names{});
  CHECK(by_sample(scan(free_start, "%y = aggregate %c, %c")) == Names{});
  // The same in batches.
  CHECK(by_sample(free_start + "%h = for %n, %i (%c = %f) { " + dense_body +
                  " yield %y } : fix[B,3] return \"h\" %h") == Names{"f", "c", "y", "h"});
}

int turns(const Graph& graph) {
  int count = 0;
  for_each_step(make_plan(graph).steps,
                [&](const Step& step, int) { count += step.kernel == Kernel::turn ? 1 : 0; });
  return count;
}

/// Bindings of `head` for a batch of 19, with fields that int32 holds or (`wide`) doesn't.
testing::Bound random_bound(bool wide) {
  std::mt19937_64 engine(3);
  const auto draw = [&]<class T>(std::size_t n, std::int64_t low, std::int64_t high, T unit) {
    std::vector<T> values(n);
    std::uniform_int_distribution<std::int64_t> distribution(low, high);
    for (T& value : values) value = static_cast<T>(distribution(engine)) * unit;
    return values;
  };
  const std::int64_t batch = 19, largest = wide ? std::int64_t{1} << 40 : std::int64_t{1} << 22;
  return {{"n", Tensor::scalar(std::int32_t{5})},
          {"two", Tensor::scalar(std::int32_t{2})},
          {"m", Tensor::scalar(1e5f)},
          {"rows", testing::indices({batch}, draw(batch, 0, 6, std::int32_t{1}))},
          {"table", testing::fields({7, 3}, draw(21, -largest, largest, std::int64_t{1}))},
          {"b", testing::fields({batch, 3}, draw(batch * 3, -largest, largest, std::int64_t{1}))},
          {"x", testing::signs({batch, 3}, draw(batch * 3, -1, 1, 1))},
          {"r", testing::reals({batch, 3}, draw(batch * 3, -40, 40, 0.125f))},
          {"D", testing::reals({3, 3}, draw(9, -40, 40, 0.125f))},
          {"S", testing::reals({4}, draw(4, -40, 40, 0.125f))}};
}

/// The number of turns in a graph's plan, which is run with each instruction set and compared with the
/// interpreter.
int turns_when_run(const std::string& ops, std::string_view passes = "none") {
  const Graph graph = parse(head + ops, "test.rx");
  for (const bool wide : {false, true}) {
    const testing::Bound bound = random_bound(wide);
    const std::vector<TensorPtr> expected = testing::interpret(head + ops, bound, {testing::small_pattern()});
    Arguments arguments;
    for (std::size_t i = 0; i < graph.bindings().size(); ++i)
      arguments.bindings.push_back(std::make_shared<const Tensor>(bound.at(graph.binding(i).name)));
    arguments.patterns.push_back(std::make_shared<const Pattern>(testing::small_pattern()));
    for (const Isa isa : {Isa::x86_64, Isa::avx2, Isa::avx512}) {
      if (!has_isa(isa)) continue;
      INFO(name_of(isa) << (wide ? " wide" : "") << '\n' << ops);
      CompileOptions options;
      options.passes = PassSelection::parse(passes);
      options.isa = isa;
      const std::vector<TensorPtr> given = compile(graph, options)->run(arguments);
      REQUIRE(given.size() == expected.size());
      for (std::size_t i = 0; i < given.size(); ++i) {
        INFO("result " << graph.result_names()[i]);
        CHECK(*given[i] == *expected[i]);
      }
    }
  }
  PassOptions chosen;
  chosen.selection = PassSelection::parse(passes);
  return turns(optimise(graph, chosen));
}

TEST_CASE("plans turn fields where kernels lay them down otherwise", "[plan][layout]") {
  // Numbers become fields by lane; they are added to a dense message.
  CHECK(turns_when_run("%f = to_fix %r %m = message %x, %D {dense fixed} %h = aggregate %f, %m "
                       "return \"h\" %h") == 1);
  // Rows of a table are gathered as they are wanted.
  CHECK(turns_when_run("%f = take %table, %rows %m = message %x, %D {dense fixed} %h = aggregate %f, %m "
                       "return \"h\" %h") == 0);
  // Sums take messages of both kinds.
  CHECK(turns_when_run("%d = message %x, %D {dense fixed} %s = message %x, %S {dense fixed} "
                       "%h = aggregate %s, %d %t = threshold %h {sign} return \"h\" %h, \"t\" %t") == 0);
  // A carry starts by lane, goes on by sample, and the other way round.
  const std::string body = "%t = threshold %c {sign} %m = message %t, ";
  CHECK(turns_when_run("%f = message %x, %S {dense fixed} %h = scan %n (%c = %f) { " + body +
                       "%D {dense fixed} yield %m } return \"h\" %h") == 1);
  CHECK(turns_when_run("%f = message %x, %D {dense fixed} %h = scan %n (%c = %f) { " + body +
                       "%S {dense fixed} yield %m } return \"h\" %h") == 1);
  // Two carries that change places, one by lane and one by sample.
  CHECK(turns_when_run("%f = message %x, %D {dense fixed} %g = message %x, %S {dense fixed} "
                       "%h, %k = scan %n (%c = %f, %d = %g) { " +
                       body + "%S {dense fixed} yield %d, %m } return \"h\" %h, \"k\" %k") == 1);
  // A carry that sums itself lies as it started.
  CHECK(turns_when_run("%f = message %x, %D {dense fixed} %h = scan %n (%c = %f) { %y = aggregate %c, %c "
                       "yield %y } return \"h\" %h") == 0);
}

/// Random fields and states that depend on each other, in and around scans.
class RandomFields {
 public:
  explicit RandomFields(std::uint64_t seed) : engine_(seed) {}

  std::string graph() {
    for (int i = 0; i < 2; ++i) source();
    ops(2, 6);
    std::string returned;
    for (const std::string& name : fields_) returned += fmt::format(", \"{0}\" %{0}", name);
    return text_ + "return" + returned.substr(1) + "\n";
  }

 private:
  std::size_t below(std::size_t n) { return engine_() % n; }
  const std::string& one_of(const std::vector<std::string>& names) { return names[below(names.size())]; }
  std::string fresh() { return fmt::format("v{}", count_++); }
  void field(const std::string& definition) {
    const std::string name = fresh();
    text_ += fmt::format("%{} = {}\n", name, definition);
    fields_.push_back(name);
  }

  void source() {
    const std::string& state = one_of(states_);
    switch (below(4)) {
      case 0: return field("take %table, %rows");
      case 1: return field("to_fix %r");
      case 2: return field(fmt::format("message %{}, %D {{dense fixed}}", state));
      default: return field(fmt::format("message %{}, %S {{dense fixed}}", state));
    }
  }
  /// `sums` are left to be made, so that no field overflows.
  void ops(int sums, int n) {
    for (int i = 0; i < n; ++i) {
      const std::size_t kind = below(depth_ < 2 ? 4 : 3);
      if (kind == 0) {
        source();
      } else if (kind == 1 && sums > 0) {
        --sums;
        std::string terms = "%" + one_of(fields_);
        for (std::size_t more = 1 + below(3); more > 0; --more) terms += ", %" + one_of(fields_);
        field("aggregate " + terms);
      } else if (kind == 2) {
        const std::string name = fresh();
        text_ += fmt::format("%{} = threshold %{} {{sign}}\n", name, one_of(fields_));
        states_.push_back(name);
      } else if (kind == 3) {
        scan();
      }
    }
  }
  void scan() {
    const std::vector<std::string> fields = fields_, states = states_;
    const std::size_t carries = 1 + below(2);
    std::string results, starts, yielded;
    std::vector<std::string> made;
    for (std::size_t c = 0; c < carries; ++c) {
      const char* comma = c == 0 ? "" : ", ";
      const std::string carry = fresh();
      starts += fmt::format("{}%{} = %{}", comma, carry, one_of(fields));
      fields_.push_back(carry);
      made.push_back(fresh());
      results += fmt::format("{}%{}", comma, made.back());
    }
    text_ += fmt::format("{} = scan %two ({}) {{\n", results, starts);
    ++depth_;
    ops(1, 4);
    --depth_;
    for (std::size_t c = 0; c < carries; ++c)
      yielded += fmt::format("{}%{}", c == 0 ? "" : ", ", one_of(fields_));
    text_ += fmt::format("yield {}\n}}\n", yielded);
    fields_ = fields;
    states_ = states;
    fields_.insert(fields_.end(), made.begin(), made.end());
  }

  std::mt19937_64 engine_;
  std::string text_;
  int depth_ = 0, count_ = 0;
  std::vector<std::string> fields_{"b"}, states_{"x"};
};

TEST_CASE("fields that outgrow int32 are exact", "[plan][layout]") {
  for (const std::string field : {"%f = take %table, %rows ", "%f = aggregate %b, %b "}) {
    turns_when_run(field + "return \"f\" %f, \"b\" %b");
    turns_when_run(field +
                   "%h = scan %n (%c = %f) { %y = aggregate %c, %c, %c, %c, %c, %c, %c, %c yield %y } "
                   "return \"h\" %h");
    turns_when_run(field +
                   "%g = message %x, %D {dense fixed} %h, %k, %l = scan %n (%c = %g, %d = %g, %e = %f) { "
                   "%y = aggregate %c, %b, %b, %b, %b, %b, %b, %b, %b yield %d, %e, %y } "
                   "return \"h\" %h, \"k\" %k, \"l\" %l");
  }
  // Numbers that no weight bounds.
  turns_when_run(
      "%m = input \"m\" : f32[] %z = const 0 : f32[] %y = affine %r, %m, %z %f = to_fix %y "
      "return \"f\" %f");
}

TEST_CASE("random fields are the interpreter's however they lie", "[plan][layout]") {
  int turned = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    INFO("seed " << seed);
    turned += turns_when_run(RandomFields(seed).graph(), seed % 2 == 0 ? "none" : "default");
  }
  CHECK(turned > 0);
}

}  // namespace
}  // namespace relaxon
