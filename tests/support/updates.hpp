// What section 11 does to weights, entry by entry, and random weights, senders and errors to try it on.
#pragma once

#include <cmath>

#include "core/math.hpp"
#include "tests/support/panels.hpp"

namespace relaxon::testing {

inline constexpr StepRule all_rules[] = {StepRule::sgd, StepRule::momentum, StepRule::nesterov,
                                         StepRule::adam, StepRule::adamw};
inline constexpr Errors::Kind error_kinds[] = {Errors::Kind::signs, Errors::Kind::pair, Errors::Kind::real};

inline int moments_of(StepRule rule) {
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

inline std::vector<float> random_scalars(Draw& draw, StepRule rule, bool decays) {
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
inline void plain_step(StepRule rule, const std::vector<float>& c, float s, float& w, float& m, float& v) {
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

inline bool same_numbers(const std::vector<float>& a, const std::vector<float>& b) {
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
inline Growth plain_update(StepRule rule, const std::vector<float>& c, const Sides& sides,
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

inline constexpr int kept_bits = 12;

inline std::vector<std::int32_t> fixed_of(const KernelTable& table, const std::vector<float>& w) {
  std::vector<std::int32_t> q(w.size());
  REQUIRE(table.quantise(w.data(), static_cast<std::int64_t>(w.size()), kept_bits, q.data()) == -1);
  return q;
}

/// q as an update left it, where all weights fit.
inline void check_kept(const KernelTable& table, const UpdateReport& report, const std::vector<float>& w,
                       const std::vector<std::int32_t>& q) {
  std::vector<std::int32_t> expected(w.size());
  const auto n = static_cast<std::int64_t>(w.size());
  REQUIRE(report.fits == (table.quantise(w.data(), n, kept_bits, expected.data()) == -1));
  if (report.fits) REQUIRE(q == expected);
}

inline void check(const UpdateReport& report, const Growth& growth, const Parameters& actual,
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
inline double silence(int round) { return round % 3 == 0 ? 0.1 : round % 3 == 1 ? 0.97 : 1.0; }

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

}  // namespace relaxon::testing
