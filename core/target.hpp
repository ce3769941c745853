// The machine that a network runs on, as far as speed depends on it: a value with a text form.
//
//     cores=2 isa=avx512 l1=32768 l2=1048576 l3=33554432 clock=3.7 adds=118 fmas=59 l1_rate=140 l2_rate=110
//     l3_rate=90 memory_rate=20 latency=200 barrier=150
//
//     target = {key "=" value} ;       blanks and line ends between them, "#" begins a comment
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/isa.hpp"

namespace relaxon {

/// What plans are made for. Everything but the number of cores is of one core. The defaults are the generic
/// target, a round Zen 4: plans of it are the same everywhere.
struct Target {
  int cores = 2;  // that a process may use
  Isa isa = Isa::avx512;
  std::int64_t l1 = 32768, l2 = 1048576, l3 = 33554432;  // data caches, bytes; 0: none, or unknown
  double clock = 3.7;                                    // dependent integer additions per ns
  double adds = 118;                                     // int32 additions per ns, in vector registers
  double fmas = 59;                                      // float32 multiply-adds per ns, in vector registers
  double l1_rate = 140;                                  // bytes per ns read in order from the first cache,
  double l2_rate = 110;                                  // from the second,
  double l3_rate = 90;                                   // from the third,
  double memory_rate = 20;                               // and from memory
  double latency = 200;                                  // ns until a line arrives from memory
  double barrier = 150;                                  // ns that the cores take to wait for each other

  /// Floats in a vector register.
  int vector_floats() const { return isa == Isa::avx512 ? 16 : isa == Isa::avx2 ? 8 : 4; }
  /// Bytes per ns read from the smallest cache that holds `bytes`, or from memory.
  double rate(double bytes) const;
  bool operator==(const Target&) const = default;
};

/// One line; "parse_target(print(t), .., {}) == t".
std::string print(const Target& target);
/// `base` with what the text says. Errors start with `name` and the key: "m.target: clock: expected a number
/// above 0, found '-1'".
Target parse_target(std::string_view text, std::string_view name, const Target& base = {});

}  // namespace relaxon
