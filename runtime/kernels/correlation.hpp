// S of section 11: how the two sides' kinds decide its arithmetic, and what both weight layouts share.
#pragma once

#include "runtime/kernels/arithmetic.hpp"
#include "runtime/kernels/vectors.hpp"

namespace relaxon {
namespace {

/// Lanes of a unit whose error isn't 0; i = panel * receivers + receiver.
[[gnu::always_inline]] inline unsigned erring_lanes(const Errors& v, std::int64_t i) {
  if (v.kind != Errors::Kind::real) return v.signs.plus[i] | v.signs.minus[i];
  unsigned silent = 0;
  for (int lane = 0; lane < lanes; lane += words) {
    const Floats x = load<float>(v.real + i * lanes + lane);
    silent |= (at_most(x, Floats{}) & at_most(Floats{}, x)) << lane;
  }
  return ~silent & 0xffffu;
}

[[gnu::always_inline]] inline float two_valued(SignsIn lanes_of_values, std::int64_t i, int lane, float plus,
                                               float minus) {
  if (lanes_of_values.plus[i] >> lane & 1) return plus;
  return lanes_of_values.minus[i] >> lane & 1 ? minus : 0.0f;
}

[[gnu::always_inline]] inline float error_at(const Errors& v, std::int64_t i, int lane) {
  switch (v.kind) {
    case Errors::Kind::signs: return two_valued(v.signs, i, lane, 1, -1);
    case Errors::Kind::pair: return two_valued(v.signs, i, lane, v.a, v.b);
    case Errors::Kind::real: return v.real[i * lanes + lane];
  }
  __builtin_unreachable();
}

[[gnu::always_inline]] inline float sender_at(const Sender& u, std::int64_t i, int lane) {
  switch (u.kind) {
    case Sender::Kind::signs: return two_valued(u.signs, i, lane, 1, -1);
    case Sender::Kind::pair: return two_valued(u.signs, i, lane, u.a, u.b);
    case Sender::Kind::bytes: return static_cast<float>(u.bytes[i * lanes + lane]);
    case Sender::Kind::real: return u.real[i * lanes + lane];
  }
  __builtin_unreachable();
}

/// Whether a sender that is a sign is 0 in a lane of its panel in which some receiver errs.
inline bool zeros_where_erring(SignsIn u, std::int64_t senders, SignsIn v, std::int64_t receivers,
                               std::int64_t panels) {
  for (std::int64_t p = 0; p < panels; ++p) {
    unsigned erring = 0, zero = 0;
    for (std::int64_t i = p * receivers; i < (p + 1) * receivers; ++i)
      erring |= unsigned{v.plus[i]} | v.minus[i];
    for (std::int64_t i = p * senders; i < (p + 1) * senders; ++i)
      zero |= ~(unsigned{u.plus[i]} | u.minus[i]);
    if ((erring & zero) != 0) return true;
  }
  return false;
}

/// Sums of products of signs: where neither is 0 (`both`) the product is 1, less 2 where they differ.
[[gnu::always_inline]] inline Words sign_products(Words both, Words v_plus, Words u_plus) {
  return popcount(both) - (popcount(both & (v_plus ^ u_plus)) << 1);
}
/// The same where `count` is how many of `both` there are.
[[gnu::always_inline]] inline Floats sign_products(Words both, Words v_plus, Words u_plus, Floats count) {
  return fma(broadcast(-2.0f), to_floats(popcount(both & (v_plus ^ u_plus))), count);
}

/// Bits 0 to 3 as bytes: 1 in those of `plus`, -1 in those of `minus`.
inline std::uint32_t signed_bytes(unsigned plus, unsigned minus) {
  const auto spread = [](unsigned bits) { return ((bits & 0xfu) * 0x204081u) & 0x01010101u; };
  return spread(plus) | spread(minus) * 0xffu;
}

/// Both counts of a two-valued side as one number, rounded as section 11 writes it.
[[gnu::always_inline]] inline Floats pair_sum(Floats n_a, float a, Floats n_b, float b) {
  return fma(broadcast<float>(a), n_a, broadcast<float>(b) * n_b);
}
[[gnu::always_inline]] inline Floats pair_sum(Words n_a, float a, Words n_b, float b) {
  return pair_sum(to_floats(n_a), a, to_floats(n_b), b);
}

/// The counts of a correlation of two values on one side (by_error: the errors') with signs on the other.
template <bool by_error>
struct PairCounts {
  Words a{}, b{};

  [[gnu::always_inline]] void add(Words v_plus, Words v_minus, Words u_plus, Words u_minus) {
    const Words mixed_a = by_error ? v_plus & u_minus : v_minus & u_plus;
    const Words mixed_b = by_error ? v_minus & u_plus : v_plus & u_minus;
    a = a + popcount(v_plus & u_plus) - popcount(mixed_a);
    b = b + popcount(mixed_b) - popcount(v_minus & u_minus);
  }
  [[gnu::always_inline]] Floats sum(const Sender& u, const Errors& v) const {
    return by_error ? pair_sum(a, v.a, b, v.b) : pair_sum(a, u.a, b, u.b);
  }
};

}  // namespace
}  // namespace relaxon
