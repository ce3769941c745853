// What happens in one batch, by the names of golden files without their batch.
#pragma once

#include <map>
#include <string>

#include "runtime/session.hpp"

namespace relaxon::golden {

/// One batch of a case; `gate` may be null.
struct Batch {
  const Tensor& x;
  const Tensor& y;
  const Tensor* gate = nullptr;
};

/// "states/p/t/i", "fields/i", "fields_i/i", "mistakes/i-j", "S/i-j", "update/i-j", "params/i-j": states as
/// stored; fields float32, and integers where they are exact; of edges the trainable ones, as (d, K).
/// Contrastive networks: fields and mistakes of the last phase, S of both.
using Record = std::map<std::string, Tensor>;

/// Trains one batch by the schedule and records what the graph's probes show: all but "update".
Record record_schedule(Session& session, const Batch& batch);

/// Trains one batch with the calls of a hand-written loop, one sweep at a time: everything.
Record record_loop(Session& session, const Batch& batch);

/// Scores of the network's evaluation, by the same calls.
Tensor evaluate_by_hand(Session& session, const Tensor& x);

/// m of the perceptron rule, (B, K), for an edge into a row with targets `t` and fields `h`.
///
/// Sections 5 and 10: where targets are declared -1, 0, 1, t h <= q(threshold) in integers; elsewhere
/// f32(t f) <= threshold with f = f32(h 2^-F). Ties are mistakes, and so, by the same comparison, is a target
/// 0 below a threshold of 0 or more.
Tensor mistakes(const PerOutput& threshold, const Tensor& t, bool ternary_targets, const Tensor& h,
                int fixed_bits);

}  // namespace relaxon::golden
