// How the two sides' kinds decide the arithmetic of S (semantics: section 11).
#pragma once

#include "runtime/kernels/kernels.hpp"

namespace relaxon {

/// Counts are exact integers; reals are one fused chain over samples.
enum class Arithmetic : std::uint8_t { signs, pair_errors, pair_senders, bytes, byte_pairs, reals };

// Of internal linkage, as everything that the kernel tables compile.
namespace {

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

/// Whether S is counted from the bits of both sides.
inline bool counts_bits(Arithmetic how) {
  return how == Arithmetic::signs || how == Arithmetic::pair_errors || how == Arithmetic::pair_senders;
}

}  // namespace
}  // namespace relaxon
