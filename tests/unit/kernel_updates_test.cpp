#include <cmath>

#include "core/math.hpp"
#include "runtime/executor/joined_phases.hpp"
#include "tests/support/panels.hpp"

namespace relaxon {
namespace {

using testing::available_isas;
using testing::Connections;
using testing::Draw;
using testing::Panels;
using testing::random_parts;
using testing::same;
using testing::Signs;

constexpr StepRule all_rules[] = {StepRule::sgd, StepRule::momentum, StepRule::nesterov, StepRule::adam,
                                  StepRule::adamw};
constexpr Sender::Kind sender_kinds[] = {Sender::Kind::signs, Sender::Kind::pair, Sender::Kind::bytes,
                                         Sender::Kind::real};
constexpr Errors::Kind error_kinds[] = {Errors::Kind::signs, Errors::Kind::pair, Errors::Kind::real};

int moments_of(StepRule rule) {
  return rule == StepRule::sgd ? 0 : rule == StepRule::adam || rule == StepRule::adamw ? 2 : 1;
}

/// Both sides of a correlation, and their values as section 11 sees them.
struct Sides {
  Sides(Draw& draw, Sender::Kind sender, Errors::Kind error, std::int64_t batch_size, std::int64_t d,
        std::int64_t K, double silent)
      : batch(batch_size),
        u_signs(draw, batch, d, 0.1),
        v_signs(draw, batch, K, silent),
        bytes(batch, d, 0),
        u_real(batch, d, 0),
        v_real(batch, K, 0) {
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t j = 0; j < d; ++j) {
        bytes.at(b, j) = static_cast<std::uint8_t>(draw.chance(0.3) ? 255 : draw.between(0, 255));
        u_real.at(b, j) = draw.real();
      }
      for (std::int64_t k = 0; k < K; ++k) v_real.at(b, k) = draw.chance(silent) ? 0 : draw.real();
    }
    u = {sender, u_signs.in(), bytes.data(), u_real.data(), draw.real(), draw.real()};
    v = {error, v_signs.in(), v_real.data(), draw.real(), draw.real()};
  }
  Sides(const Sides&) = delete;
  Sides& operator=(const Sides&) = delete;

  bool u_counts() const { return u.kind == Sender::Kind::signs || u.kind == Sender::Kind::bytes; }
  std::int64_t u_count(std::int64_t b, std::int64_t j) const {
    return u.kind == Sender::Kind::bytes ? bytes.at(b, j) : u_signs.at(b, j);
  }
  float u_value(std::int64_t b, std::int64_t j) const {
    if (u.kind == Sender::Kind::real) return u_real.at(b, j);
    const int sign = u_signs.at(b, j);
    if (u.kind == Sender::Kind::pair) return sign > 0 ? u.a : sign < 0 ? u.b : 0;
    return static_cast<float>(u_count(b, j));
  }
  float v_value(std::int64_t b, std::int64_t k) const {
    if (v.kind == Errors::Kind::real) return v_real.at(b, k);
    const int sign = v_signs.at(b, k);
    if (v.kind == Errors::Kind::pair) return sign > 0 ? v.a : sign < 0 ? v.b : 0;
    return static_cast<float>(sign);
  }

  float s(std::int64_t j, std::int64_t k) const {
    std::int64_t exact = 0, n_a = 0, n_b = 0;
    float chain = 0;
    const bool by_error = u_counts() && v.kind == Errors::Kind::pair;
    const bool by_sender = u.kind == Sender::Kind::pair && v.kind == Errors::Kind::signs;
    for (std::int64_t b = 0; b < batch; ++b) {
      if (by_error || by_sender) {
        const int which = by_error ? v_signs.at(b, k) : u_signs.at(b, j);
        const std::int64_t amount = by_error ? u_count(b, j) : v_signs.at(b, k);
        if (which > 0) n_a += amount;
        if (which < 0) n_b += amount;
      } else if (u_counts() && v.kind == Errors::Kind::signs) {
        exact += u_count(b, j) * v_signs.at(b, k);
      } else if (v_value(b, k) != 0) {
        chain = std::fma(u_value(b, j), v_value(b, k), chain);
      }
    }
    if (by_error) return std::fma(v.a, static_cast<float>(n_a), v.b * static_cast<float>(n_b));
    if (by_sender) return std::fma(u.a, static_cast<float>(n_a), u.b * static_cast<float>(n_b));
    return u_counts() && v.kind == Errors::Kind::signs ? static_cast<float>(exact) : chain;
  }

  std::int64_t batch;
  Signs u_signs, v_signs;
  Panels<std::uint8_t> bytes;
  Panels<float> u_real, v_real;
  Sender u;
  Errors v;
};

std::vector<float> random_scalars(Draw& draw, StepRule rule, bool decays) {
  const float rate = 0.01f + std::fabs(draw.real()), decay = decays ? 0.013f : 0.0f;
  switch (rule) {
    case StepRule::sgd: return {rate, decay};
    case StepRule::momentum:
    case StepRule::nesterov: return {rate, decay, 0.9f, 0.11f};
    case StepRule::adam: return {rate, decay, 0.9f, 0.1f, 0.999f, 0.001f, 0.003f, 1.7f, 1e-8f};
    case StepRule::adamw: return {rate, decay, 0.9f, 0.1f, 0.999f, 0.001f, 0.003f, 1.7f, 1e-8f, 0.02f};
  }
  return {};
}

/// One entry's step, as section 11 writes it.
void plain_step(StepRule rule, const std::vector<float>& c, float s, float& w, float& m, float& v) {
  if (rule == StepRule::sgd) {
    const float decayed = c[1] == 0 ? w : std::fma(-c[1], w, w);
    w = s == 0 ? decayed : std::fma(c[0], s, decayed);
    return;
  }
  const float g = s == 0 ? c[1] * w : std::fma(-c[0], s, c[1] * w);
  if (moments_of(rule) == 1) {
    m = std::fma(c[2], m, g);
    w = std::fma(-c[3], rule == StepRule::nesterov ? std::fma(c[2], m, g) : m, w);
    return;
  }
  if (rule == StepRule::adamw) w = std::fma(-c[9], w, w);
  m = std::fma(c[3], g, c[2] * m);
  v = std::fma(c[5] * g, g, c[4] * v);
  w = w - c[6] * m / std::fma(std::sqrt(v), c[7], c[8]);
}

/// Weights with moments, some of the moments about to become subnormal.
struct Parameters {
  Parameters(Draw& draw, std::size_t n) : w(draw.reals(n)), m(draw.reals(n)), v(draw.reals(n)) {
    for (float& x : v) x = std::fabs(x);
    for (std::size_t i = 0; i < n; i += 7) m[i] = 1.2e-38f;
  }
  std::vector<float> w, m, v;
};

bool same_numbers(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
}

/// A trainable entry: its place in storage, its sender and its receiver.
struct Entry {
  std::size_t at;
  std::int64_t j, k;
};

/// What a report may say: no less than the largest growth of a magnitude, and not much more than the largest
/// change, or what decays.
struct Growth {
  float least = 0, most = 0;
  void note(float before, float after, float decay) {
    const auto larger = [](float a, double b) { return std::max(a, static_cast<float>(b)); };
    least = larger(least, std::fabs(after) - std::fabs(before));
    most =
        larger(most, 1.0001 * std::fabs(double{after} - before) + (0.01 + decay) * std::fabs(before) + 1e-6);
  }
};

/// The plain update of `entries`, from the S of `sides`, less that of `less` if there are any.
Growth plain_update(StepRule rule, const std::vector<float>& c, const Sides& sides,
                    const std::vector<Entry>& entries, Parameters& p, const Sides* less = nullptr) {
  Growth growth;
  for (const Entry& e : entries) {
    const float before = p.w[e.at];
    const float s = less ? sides.s(e.j, e.k) - less->s(e.j, e.k) : sides.s(e.j, e.k);
    plain_step(rule, c, s, p.w[e.at], p.m[e.at], p.v[e.at]);
    growth.note(before, p.w[e.at], c[1]);
  }
  return growth;
}

constexpr int kept_bits = 12;

std::vector<std::int32_t> fixed_of(const KernelTable& table, const std::vector<float>& w) {
  std::vector<std::int32_t> q(w.size());
  REQUIRE(table.quantise(w.data(), static_cast<std::int64_t>(w.size()), kept_bits, q.data()) == -1);
  return q;
}

/// q as an update left it, where all weights fit.
void check_kept(const KernelTable& table, const UpdateReport& report, const std::vector<float>& w,
                const std::vector<std::int32_t>& q) {
  std::vector<std::int32_t> expected(w.size());
  const auto n = static_cast<std::int64_t>(w.size());
  REQUIRE(report.fits == (table.quantise(w.data(), n, kept_bits, expected.data()) == -1));
  if (report.fits) REQUIRE(q == expected);
}

void check(const UpdateReport& report, const Growth& growth, const Parameters& actual,
           const Parameters& expected) {
  REQUIRE(report.finite);
  REQUIRE(report.growth >= growth.least);
  REQUIRE(report.growth <= growth.most);
  REQUIRE(same_numbers(actual.w, expected.w));
  REQUIRE(same_numbers(actual.m, expected.m));
  REQUIRE(same_numbers(actual.v, expected.v));
}

/// Calls `test` with every instruction set, rule and pair of kinds, a few times each.
template <class Test>
void for_each_update(std::uint64_t seed, Test test) {
  const FlushToZero mode;
  for (const Isa isa : available_isas()) {
    Draw draw(seed);
    for (const StepRule rule : all_rules) {
      for (const Sender::Kind u : sender_kinds) {
        for (const Errors::Kind v : error_kinds) {
          for (int round = 0; round < 6; ++round) {
            INFO(name_of(isa) << " rule " << int(rule) << " kinds " << int(u) << ' ' << int(v) << " round "
                              << round);
            test(kernels(isa), draw, rule, u, v, round);
          }
        }
      }
    }
  }
}

/// How many errors are 0: none, most or all of them.
double silence(int round) { return round % 3 == 0 ? 0.1 : round % 3 == 1 ? 0.97 : 1.0; }

/// A dense weight with its trainable entries; those of a diagonal are fixed.
struct DenseWeightCase {
  DenseWeightCase(std::int64_t senders, std::int64_t receivers, bool fixed)
      : d(senders), K(receivers), stride(row_stride(receivers)), fixed_diagonal(fixed) {
    for (std::int64_t j = 0; j < d; ++j) {
      for (std::int64_t k = 0; k < K; ++k) {
        if (!fixed || j != k) entries.push_back({static_cast<std::size_t>(j * stride + k), j, k});
      }
    }
  }
  /// What lies behind the last receiver is 0.
  Parameters parameters(Draw& draw) const {
    Parameters p(draw, static_cast<std::size_t>(d * stride));
    for (std::int64_t i = 0; i < d * stride; ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (i % stride >= K) p.w[at] = p.m[at] = p.v[at] = 0;
    }
    return p;
  }
  UpdateArguments<DenseWeight<float>> arguments(StepRule rule, const std::vector<float>& c,
                                                const Sides& sides, Parameters& p, float* scratch) const {
    return {rule,
            c.data(),
            sides.u,
            sides.v,
            panels_of(sides.batch),
            {p.w.data(), d, K, stride},
            {moments_of(rule) > 0 ? p.m.data() : nullptr, moments_of(rule) > 1 ? p.v.data() : nullptr},
            fixed_diagonal,
            scratch};
  }
  /// Scratch memory of so many correlations.
  std::vector<float> scratch(const Sides& sides, int correlations) const {
    const std::int64_t each = update_scratch(sides.u.kind, sides.v.kind, panels_of(sides.batch), stride);
    return std::vector<float>(static_cast<std::size_t>(correlations * each));
  }

  std::int64_t d, K, stride;
  bool fixed_diagonal;
  std::vector<Entry> entries;
};

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

/// A sparse weight with its trainable entries; those of a diagonal are fixed.
struct SparseWeightCase {
  SparseWeightCase(Draw& draw, std::int64_t d, std::int64_t K, double density, bool fixed_diagonal)
      : connections(draw, d, K, density) {
    for (std::int64_t k = 0; k < K; ++k) {
      for (auto e = static_cast<std::size_t>(connections.offsets[static_cast<std::size_t>(k)]);
           e < static_cast<std::size_t>(connections.offsets[static_cast<std::size_t>(k) + 1]); ++e) {
        if (fixed_diagonal && connections.sender[e] == k) {
          fixed.push_back(static_cast<std::int32_t>(e));
        } else {
          entries.push_back({e, connections.sender[e], k});
        }
      }
    }
  }
  UpdateArguments<SparseWeight<float>> arguments(StepRule rule, const std::vector<float>& c,
                                                 const Sides& sides, const Units& part, Parameters& p) const {
    return {rule,
            c.data(),
            sides.u,
            sides.v,
            panels_of(sides.batch),
            connections.weight(p.w.data(), part),
            {moments_of(rule) > 0 ? p.m.data() : nullptr, moments_of(rule) > 1 ? p.v.data() : nullptr},
            false,
            nullptr,
            fixed};
  }

  Connections connections;
  std::vector<Entry> entries;
  std::vector<std::int32_t> fixed;
};

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

TEST_CASE("receivers of dense updates are the same bits in parts, and nothing else is written", "[kernels]") {
  for_each_update(
      31, [](const KernelTable& table, Draw& draw, StepRule rule, Sender::Kind u, Errors::Kind v, int round) {
        const bool square = round % 2 == 0;
        const std::int64_t batch = draw.between(1, 50), K = draw.between(65, 200),
                           d = square ? K : draw.between(1, 70);
        const DenseWeightCase weight(d, K, square);
        const Sides sides(draw, u, v, batch, d, K, silence(round));
        const auto scalars = random_scalars(draw, rule, draw.chance(0.5));
        const Parameters before = weight.parameters(draw);
        std::vector<float> scratch = weight.scratch(sides, 1);
        const auto run = [&](const Units& part, Parameters& p) {
          auto arguments = weight.arguments(rule, scalars, sides, p, scratch.data());
          arguments.weight.begin = part.begin;
          arguments.weight.end = part.end;
          return table.update_dense(arguments);
        };
        Parameters whole = before, parts = before;
        const UpdateReport report = run(K, whole);
        UpdateReport together{0, true};
        for (const Units& part : random_parts(draw, K)) {
          INFO("receivers " << part.begin << " to " << part.end << " of " << K);
          Parameters made = before;
          const UpdateReport own = run(part, made);
          together = {std::max(together.growth, own.growth), together.finite && own.finite};
          const auto splice = [&](const std::vector<float>& from, std::vector<float> others,
                                  std::vector<float>& to) {
            for (std::size_t at = 0; at < from.size(); ++at) {
              const auto k = static_cast<std::int64_t>(at) % weight.stride;
              if (part.begin <= k && k < part.end) others[at] = to[at] = from[at];
            }
            REQUIRE(same_bits(from, others));
          };
          splice(made.w, before.w, parts.w);
          splice(made.m, before.m, parts.m);
          splice(made.v, before.v, parts.v);
        }
        REQUIRE(same_bits(parts.w, whole.w));
        REQUIRE(same_bits(parts.m, whole.m));
        REQUIRE(same_bits(parts.v, whole.v));
        REQUIRE(together.growth == report.growth);
        REQUIRE(together.finite == report.finite);
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
