#include "tests/support/updates.hpp"

namespace relaxon {
namespace {

using testing::all_rules;
using testing::available_isas;
using testing::check;
using testing::check_kept;
using testing::Connections;
using testing::DenseWeightCase;
using testing::Draw;
using testing::Entry;
using testing::fixed_of;
using testing::for_each_update;
using testing::Growth;
using testing::kept_bits;
using testing::moments_of;
using testing::Parameters;
using testing::plain_step;
using testing::plain_update;
using testing::random_parts;
using testing::random_scalars;
using testing::same;
using testing::same_numbers;
using testing::Sides;
using testing::silence;
using testing::SparseWeightCase;

TEST_CASE("dense updates are section 11's", "[kernels]") {
  for_each_update(
      21, [](const KernelTable& table, Draw& draw, StepRule rule, Sender::Kind u, Errors::Kind v, int round) {
        const bool square = round % 2 == 0;
        const std::int64_t batch = draw.between(1, 50), d = draw.between(1, 40),
                           K = square ? d : draw.between(1, 70);
        const DenseWeightCase weight(d, K, square);
        const std::vector<Entry>& entries = weight.entries;
        const Sides sides(draw, u, v, batch, d, K, silence(round));
        const auto c = random_scalars(draw, rule, draw.chance(0.5));
        Parameters actual = weight.parameters(draw);
        Parameters expected = actual;
        const Growth growth = plain_update(rule, c, sides, entries, expected);

        std::vector<float> scratch = weight.scratch(sides, 1);
        const bool keeps = round % 2 == 1;
        std::vector<std::int32_t> q = fixed_of(table, actual.w);
        auto arguments = weight.arguments(rule, c, sides, actual, scratch.data());
        if (keeps) arguments.q = {q.data(), kept_bits};
        std::vector<float> s(actual.w.size(), std::numeric_limits<float>::quiet_NaN()),
            expected_s(actual.w.size());
        for (const Entry& e : entries) expected_s[e.at] = sides.s(e.j, e.k);
        table.correlate_dense(arguments, s.data());
        REQUIRE(same_numbers(s, expected_s));
        const UpdateReport report = table.update_dense(arguments);
        check(report, growth, actual, expected);
        if (keeps) check_kept(table, report, expected.w, q);
      });
}

TEST_CASE("an update tells that a weight has grown too large for its q", "[kernels]") {
  const FlushToZero mode;
  for (const Isa isa : available_isas()) {
    for (const StepRule rule : all_rules) {
      for (const std::size_t at : {0u, 17u, 32u}) {
        INFO(name_of(isa) << " rule " << int(rule) << " entry " << at);
        Draw draw(26);
        std::vector<float> c = random_scalars(draw, rule, false), w(33, 1.0f), m(33), v(33), s(33);
        std::vector<std::int32_t> q(33, 1 << kept_bits);
        w[at] = 600000.0f;
        q[at] = 0;
        const UpdateReport report = kernels(isa).apply(rule, c.data(), s.data(), 33, {}, w.data(), m.data(),
                                                       v.data(), {q.data(), kept_bits});
        CHECK(report.finite);
        CHECK(!report.fits);
      }
    }
  }
}

TEST_CASE("sparse updates are section 11's", "[kernels]") {
  for_each_update(
      22, [](const KernelTable& table, Draw& draw, StepRule rule, Sender::Kind u, Errors::Kind v, int round) {
        const bool square = round % 2 == 0;
        const std::int64_t batch = draw.between(1, 50), d = draw.between(1, 100),
                           K = square ? d : draw.between(1, 70);
        const SparseWeightCase weight(draw, d, K, round == 5 ? 1.0 : 0.3, square);
        const Sides sides(draw, u, v, batch, d, K, silence(round));
        const auto c = random_scalars(draw, rule, draw.chance(0.5));
        Parameters actual(draw, weight.connections.entries());
        Parameters expected = actual;
        const Growth growth = plain_update(rule, c, sides, weight.entries, expected);

        const auto arguments = weight.arguments(rule, c, sides, K, actual);
        std::vector<float> s(actual.w.size(), std::numeric_limits<float>::quiet_NaN()),
            expected_s(actual.w.size());
        for (const Entry& e : weight.entries) expected_s[e.at] = sides.s(e.j, e.k);
        table.correlate_sparse(arguments, s.data());
        REQUIRE(same_numbers(s, expected_s));
        check(table.update_sparse(arguments), growth, actual, expected);
      });
}

/// Takes the entries of a part from `made`, the others from `rest`.
std::vector<float> spliced(const std::vector<float>& made, const std::vector<float>& rest,
                           const Connections& c, const Units& part) {
  std::vector<float> result = rest;
  const auto begin = c.offsets[static_cast<std::size_t>(part.begin)],
             end = c.offsets[static_cast<std::size_t>(part.end)];
  std::copy(made.begin() + begin, made.begin() + end, result.begin() + begin);
  return result;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
    return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
  });
}

TEST_CASE("parts of sparse updates are the same bits, and nothing else is written", "[kernels]") {
  for_each_update(
      26, [](const KernelTable& table, Draw& draw, StepRule rule, Sender::Kind u, Errors::Kind v, int round) {
        const bool square = round % 2 == 0;
        const std::int64_t batch = draw.between(1, 50), K = draw.between(65, 200),
                           d = square ? K : draw.between(1, 70);
        const SparseWeightCase weight(draw, d, K, 0.1, square);
        const Connections& c = weight.connections;
        const Sides sides(draw, u, v, batch, d, K, silence(round));
        const auto scalars = random_scalars(draw, rule, draw.chance(0.5));
        const Parameters before(draw, c.entries());
        const std::vector<float> s_before(c.entries(), -77);

        Parameters whole = before;
        const auto all = weight.arguments(rule, scalars, sides, K, whole);
        std::vector<float> s = s_before;
        table.correlate_sparse(all, s.data());
        const UpdateReport report = table.update_sparse(all);
        float growth = 0;
        bool finite = true;
        for (const Units& part : random_parts(draw, K)) {
          INFO("receivers " << part.begin << " to " << part.end << " of " << K);
          Parameters made = before;
          const auto some = weight.arguments(rule, scalars, sides, part, made);
          std::vector<float> s_part = s_before;
          table.correlate_sparse(some, s_part.data());
          const UpdateReport part_report = table.update_sparse(some);
          growth = std::max(growth, part_report.growth);
          finite = finite && part_report.finite;
          REQUIRE(same_bits(s_part, spliced(s, s_before, c, part)));
          REQUIRE(same_bits(made.w, spliced(whole.w, before.w, c, part)));
          REQUIRE(same_bits(made.m, spliced(whole.m, before.m, c, part)));
          REQUIRE(same_bits(made.v, spliced(whole.v, before.v, c, part)));
        }
        REQUIRE(growth == report.growth);
        REQUIRE(finite == report.finite);
      });
}

TEST_CASE("bytes of senders picked by segment give the same weights", "[kernels]") {
  const FlushToZero mode;
  for (const Isa isa : available_isas()) {
    Draw draw(29);
    for (int round = 0; round < 60; ++round) {
      const std::int64_t batch = draw.between(1, 16), d = draw.between(1, 600), K = draw.between(1, 400);
      // From a few entries a segment to all 128.
      const double density = round % 4 == 0 ? 1.0 : round % 4 == 1 ? 0.03 : 0.3;
      INFO(name_of(isa) << " round " << round << " batch " << batch << " of " << d << " x " << K);
      const SparseWeightCase weight(draw, d, K, density, false);
      const Sides sides(draw, Sender::Kind::bytes, Errors::Kind::signs, batch, d, K, 0.9);
      const std::vector<float> c{0.25f, draw.chance(0.5) ? 1e-3f : 0.0f};
      Parameters actual(draw, weight.connections.entries()), expected = actual;
      const Growth growth = plain_update(StepRule::sgd, c, sides, weight.entries, expected);

      const SenderSegments segments(weight.connections.offsets, weight.connections.sender, d);
      std::vector<float> scratch(static_cast<std::size_t>(update_scratch(segments)));
      auto arguments = weight.arguments(StepRule::sgd, c, sides, K, actual);
      arguments.segments = &segments;
      arguments.scratch = scratch.data();
      check(kernels(isa).update_sparse(arguments), growth, actual, expected);
    }
  }
}

TEST_CASE("segments pay where columns have several senders in each", "[kernels]") {
  CHECK(SenderSegments::pay(784 * 2000 / 10, 784, 2000));
  CHECK_FALSE(SenderSegments::pay(2000 * 2000 / 100, 2000, 2000));
  const std::vector<std::int32_t> offsets{0, 3, 3, 5}, sender{0, 127, 128, 5, 300};
  const SenderSegments segments(offsets, sender, 301);
  CHECK(segments.segments == 3);
  CHECK(segments.count == std::vector<std::uint8_t>{2, 1, 0, 0, 0, 0, 1, 0, 1});
  CHECK(std::vector<int>(segments.place.begin(), segments.place.begin() + 5) ==
        std::vector<int>{0, 127, 0, 5, 44});
}

TEST_CASE("columns without errors decay between others, but for their fixed entries", "[kernels]") {
  const FlushToZero mode;
  for (const Isa isa : available_isas()) {
    Draw draw(27);
    for (const float decay : {0.0f, 1e-4f, 0.3f, 1.0f, 1.5f, 2.5f}) {
      for (const std::int64_t units : {3, 64, 130, 200}) {
        for (const std::vector<std::int64_t>& erring :
             {std::vector<std::int64_t>{}, {0}, {1, units - 2}, {units - 1}}) {
          INFO(name_of(isa) << " decay " << decay << " units " << units << " columns with errors "
                            << erring.size());
          const SparseWeightCase weight(draw, units, units, draw.chance(0.5) ? 0.1 : 0.0, true);
          REQUIRE(weight.fixed.size() == static_cast<std::size_t>(units));
          Sides sides(draw, Sender::Kind::signs, Errors::Kind::signs, 20, units, units, 1.0);
          for (const std::int64_t k : erring) sides.v_signs.set(draw.between(0, 19), k, 1);
          const std::vector<float> c{0.25f, decay};
          Parameters actual(draw, weight.connections.entries()), expected = actual;
          const Growth growth = plain_update(StepRule::sgd, c, sides, weight.entries, expected);
          check(kernels(isa).update_sparse(weight.arguments(StepRule::sgd, c, sides, units, actual)), growth,
                actual, expected);
        }
      }
    }
  }
}

TEST_CASE("a step from a stored S leaves fixed entries alone", "[kernels]") {
  const FlushToZero mode;
  for (const Isa isa : available_isas()) {
    Draw draw(23);
    for (const StepRule rule : all_rules) {
      for (int round = 0; round < 20; ++round) {
        INFO(name_of(isa) << " rule " << int(rule) << " round " << round);
        const auto n = static_cast<std::size_t>(draw.between(1, 200));
        const auto c = random_scalars(draw, rule, round % 2);
        const auto s = draw.reals(n);
        Parameters actual(draw, n), expected = actual;
        std::vector<std::int32_t> fixed;
        Growth growth;
        for (std::size_t i = 0; i < n; ++i) {
          if (round % 4 != 0 && draw.chance(0.1)) {
            fixed.push_back(static_cast<std::int32_t>(i));
            continue;
          }
          plain_step(rule, c, s[i], expected.w[i], expected.m[i], expected.v[i]);
          growth.note(actual.w[i], expected.w[i], c[1]);
        }
        const KernelTable& table = kernels(isa);
        std::vector<std::int32_t> q = fixed_of(table, actual.w);
        const UpdateReport report =
            table.apply(rule, c.data(), s.data(), static_cast<std::int64_t>(n), fixed, actual.w.data(),
                        moments_of(rule) > 0 ? actual.m.data() : nullptr,
                        moments_of(rule) > 1 ? actual.v.data() : nullptr, {q.data(), kept_bits});
        check(report, growth, actual, expected);
        check_kept(table, report, expected.w, q);
      }
    }
  }
}

TEST_CASE("an update reports numbers that aren't finite", "[kernels]") {
  const FlushToZero mode;
  for (const Isa isa : available_isas()) {
    for (const StepRule rule : all_rules) {
      for (std::size_t at : {0u, 15u, 16u, 20u}) {
        INFO(name_of(isa) << " rule " << int(rule) << " entry " << at);
        Draw draw(24);
        const auto c = random_scalars(draw, rule, false);
        Parameters p(draw, 21);
        std::vector<float> s(21, 1.0f);
        s[at] = 3e38f;  // its product with the rate, or its square, is infinite
        std::vector<float> scalars = c;
        scalars[0] = 2.0f;
        const UpdateReport report = kernels(isa).apply(rule, scalars.data(), s.data(), 21, {}, p.w.data(),
                                                       p.m.data(), p.v.data(), {});
        CHECK(!report.finite);
      }
    }
  }
}

TEST_CASE("padding of a dense weight stays 0 without an epsilon", "[kernels]") {
  const FlushToZero mode;
  for (const Isa isa : available_isas()) {
    Draw draw(25);
    const Sides sides(draw, Sender::Kind::signs, Errors::Kind::signs, 16, 3, 5, 0.0);
    std::vector<float> w(3 * 16), m(w), v(w);
    for (std::size_t i = 0; i < w.size(); ++i) {
      if (i % 16 < 5) w[i] = m[i] = v[i] = 1;
    }
    const std::vector<float> c{0.1f, 0.0f, 0.9f, 0.1f, 0.999f, 0.001f, 0.003f, 1.7f, 0.0f};
    std::vector<float> scratch(
        static_cast<std::size_t>(update_scratch(Sender::Kind::signs, Errors::Kind::signs, 1, 16)));
    const UpdateReport report = kernels(isa).update_dense({StepRule::adam,
                                                           c.data(),
                                                           sides.u,
                                                           sides.v,
                                                           1,
                                                           {w.data(), 3, 5, 16},
                                                           {m.data(), v.data()},
                                                           false,
                                                           scratch.data()});
    CHECK(report.finite);
    for (std::size_t i = 0; i < w.size(); ++i) CHECK((i % 16 < 5 || (w[i] == 0 && m[i] == 0 && v[i] == 0)));
  }
}

}  // namespace
}  // namespace relaxon
