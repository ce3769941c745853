// S of section 11: how the two sides' kinds decide its arithmetic, and what both weight layouts share.
#pragma once

#include "runtime/kernels/vectors.hpp"

namespace relaxon {
namespace {

/// Counts are exact integers; reals are one fused chain over samples.
enum class Arithmetic : std::uint8_t { signs, pair_errors, pair_senders, bytes, byte_pairs, reals };

inline Arithmetic arithmetic_of(Sender::Kind u, Errors::Kind v) {
  if (u == Sender::Kind::real || v == Errors::Kind::real) return Arithmetic::reals;
  if (v == Errors::Kind::signs) {
    return u == Sender::Kind::signs  ? Arithmetic::signs
           : u == Sender::Kind::pair ? Arithmetic::pair_senders
                                     : Arithmetic::bytes;
  }
  return u == Sender::Kind::signs  ? Arithmetic::pair_errors
         : u == Sender::Kind::pair ? Arithmetic::reals
                                   : Arithmetic::byte_pairs;
}

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

/// Both counts of a two-valued side as one number, rounded as section 11 writes it.
[[gnu::always_inline]] inline Floats pair_sum(Floats n_a, float a, Floats n_b, float b) {
  return fma(broadcast<float>(a), n_a, broadcast<float>(b) * n_b);
}
[[gnu::always_inline]] inline Floats pair_sum(Words n_a, float a, Words n_b, float b) {
  return pair_sum(to_floats(n_a), a, to_floats(n_b), b);
}

}  // namespace
}  // namespace relaxon
