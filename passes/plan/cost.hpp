// What steps of a plan cost, by counting; passes/plan/cost_model.hpp makes times of it.
//
// Flops count what the arithmetic of ir/SEMANTICS.md asks for, for the batch's own samples: a multiply-add is
// 2, integer or float, also where a kernel only adds or subtracts; every other operation is 1, functions
// (exp, tanh, sqrt) too. Bytes are those of the slots that a step reads and writes, each once, one changed in
// place twice, panels filled up to 16 samples: the traffic if caches keep a step's operands and nothing
// between steps. Whatever depends on data counts in full: senders that didn't change, errors that are 0,
// loops that end early.
//
// With n connections (entries of a weight; for convolutions one for each receiver and tap), E elements of the
// result, m summands, B samples:
//
//     exact, real, advance, correlate    2 B n
//     apply                              n c: c = 4 sgd, 7 momentum, 9 nesterov, 16 adam, 18 adamw
//     update                             correlate and apply
//     quantise                           2 n
//     sum, sign, margin                  E (m - 1), E m, E (m + 1)
//     to_fields, to_reals, affine        2 E
//     hits                               the scores, one comparison each
//     zero, copy, load, store            none; so slice and the gathers, which read the rows they take
//     scan, loop                         one iteration of the body
//     reference                          as the kernel that it stands for; else an element's operations
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "passes/plan/plan.hpp"

namespace relaxon {

/// The sizes that a plan leaves open.
struct PlanSizes {
  std::int64_t batch = 1;                // B
  std::map<char, std::int64_t> lengths;  // of axes with another letter
  std::vector<std::int64_t> entries;     // of the plan's patterns, in their order
  int threads = 1;                       // that the plan is made for
};

/// Those that a plan is made for. Lengths of data sets and epochs matter to no step of a batch but as tables
/// whose rows are read: they are 1.
PlanSizes sizes_of(const Plan& plan, const PlanOptions& options);

struct Cost {
  double flops = 0, bytes = 0;
  Cost& operator+=(const Cost& other) {
    flops += other.flops;
    bytes += other.bytes;
    return *this;
  }
};

/// The bytes that a slot's contents take.
double bytes_of(const Slot& slot, const PlanSizes& sizes);

/// One run of a step. InternalError if `sizes` lacks a letter or a pattern of the plan.
Cost cost_of(const Plan& plan, const Step& step, const PlanSizes& sizes);

}  // namespace relaxon
