#include "runtime/executor/joined_phases.hpp"
#include "tests/support/updates.hpp"

namespace relaxon {
namespace {

using testing::check;
using testing::DenseWeightCase;
using testing::Draw;
using testing::for_each_update;
using testing::Growth;
using testing::Parameters;
using testing::plain_update;
using testing::random_scalars;
using testing::same_numbers;
using testing::sender_kinds;
using testing::Sides;
using testing::silence;
using testing::SparseWeightCase;

TEST_CASE("dense updates by two phases are section 11's", "[kernels]") {
  for_each_update(
      31, [](const KernelTable& table, Draw& draw, StepRule rule, Sender::Kind u, Errors::Kind v, int round) {
        const bool square = round % 2 == 0;
        const std::int64_t batch = draw.between(1, 50), d = draw.between(1, 40),
                           K = square ? d : draw.between(1, 70);
        const DenseWeightCase weight(d, K, square);
        const Sides sides(draw, u, v, batch, d, K, silence(round));
        const Sides less(draw, u, v, batch, d, K, silence(round / 2));
        const auto c = random_scalars(draw, rule, draw.chance(0.5));
        Parameters actual = weight.parameters(draw);
        Parameters expected = actual;
        const Growth growth = plain_update(rule, c, sides, weight.entries, expected, &less);
        std::vector<float> scratch = weight.scratch(sides, 2);
        auto arguments = weight.arguments(rule, c, sides, actual, scratch.data());
        const CorrelationSides second{less.u, less.v};
        arguments.less = &second;
        check(table.update_dense(arguments), growth, actual, expected);
      });
}

TEST_CASE("sparse updates by two phases are section 11's", "[kernels]") {
  for_each_update(
      32, [](const KernelTable& table, Draw& draw, StepRule rule, Sender::Kind u, Errors::Kind v, int round) {
        const bool square = round % 2 == 0;
        const std::int64_t batch = draw.between(1, 50), d = draw.between(1, 100),
                           K = square ? d : draw.between(1, 70);
        const SparseWeightCase weight(draw, d, K, 0.3, square);
        const Sides sides(draw, u, v, batch, d, K, silence(round));
        const Sides less(draw, u, v, batch, d, K, silence(round / 2));
        const auto c = random_scalars(draw, rule, draw.chance(0.5));
        Parameters actual(draw, weight.connections.entries());
        Parameters expected = actual;
        const Growth growth = plain_update(rule, c, sides, weight.entries, expected, &less);
        auto arguments = weight.arguments(rule, c, sides, K, actual);
        const CorrelationSides second{less.u, less.v};
        arguments.less = &second;
        check(table.update_sparse(arguments), growth, actual, expected);
      });
}

TEST_CASE("two phases joined have the difference of both", "[kernels]") {
  const FlushToZero mode;
  Draw draw(33);
  for (int round = 0; round < 60; ++round) {
    const Sender::Kind u = round % 2 == 0 ? Sender::Kind::signs : Sender::Kind::bytes;
    const std::int64_t batch = draw.between(1, round % 3 == 0 ? 8 : 40), d = draw.between(1, 40),
                       K = draw.between(1, 40);
    INFO("batch " << batch << " senders " << d << " receivers " << K);
    const DenseWeightCase weight(d, K, false);
    const Sides sides(draw, u, Errors::Kind::signs, batch, d, K, 0.4);
    const Sides other(draw, u, Errors::Kind::signs, batch, d, K, 0.4);
    const bool same_senders = draw.chance(0.5);
    const CorrelationSides from{sides.u, sides.v}, less{same_senders ? sides.u : other.u, other.v};
    executor::JoinedPhases joined;
    for (int time = 0; time < 2; ++time) joined.join(from, less, same_senders, d, K, batch);
    CHECK(joined.panels() == (batch <= 8 ? 1 : 2 * panels_of(batch)));

    Parameters none = weight.parameters(draw);
    std::vector<float> scratch(
        static_cast<std::size_t>(update_scratch(u, Errors::Kind::signs, joined.panels(), weight.stride)));
    const auto correlated = [&](const CorrelationSides& s, std::int64_t panels) {
      auto a = weight.arguments(StepRule::sgd, {}, sides, none, scratch.data());
      a.u = s.u;
      a.v = s.v;
      a.panels = panels;
      std::vector<float> result(none.w.size());
      kernels(Isa::x86_64).correlate_dense(a, result.data());
      return result;
    };
    std::vector<float> expected = correlated(from, panels_of(batch));
    const std::vector<float> second = correlated(less, panels_of(batch));
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] -= second[i];
    REQUIRE(same_numbers(correlated(joined.sides(), joined.panels()), expected));
  }
}

TEST_CASE("phases are joined where their counts are exact in float32", "[kernels]") {
  using executor::JoinedPhases;
  constexpr std::int64_t exact = 1 << 24;
  CHECK(JoinedPhases::joins(Sender::Kind::signs, Errors::Kind::signs, exact));
  CHECK_FALSE(JoinedPhases::joins(Sender::Kind::signs, Errors::Kind::signs, exact + 1));
  CHECK(JoinedPhases::joins(Sender::Kind::bytes, Errors::Kind::signs, exact / 255));
  CHECK_FALSE(JoinedPhases::joins(Sender::Kind::bytes, Errors::Kind::signs, exact / 255 + 1));
  for (const Sender::Kind u : sender_kinds) {
    CHECK_FALSE(JoinedPhases::joins(u, Errors::Kind::pair, 1));
    CHECK_FALSE(JoinedPhases::joins(u, Errors::Kind::real, 1));
  }
  CHECK_FALSE(JoinedPhases::joins(Sender::Kind::pair, Errors::Kind::signs, 1));
  CHECK_FALSE(JoinedPhases::joins(Sender::Kind::real, Errors::Kind::signs, 1));
}

}  // namespace
}  // namespace relaxon
