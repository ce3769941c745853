// How many images an evaluation takes at a time. Its results don't depend on it, its speed does: what a batch
// costs whatever its size is paid less often, and a weight that has arrived serves more images, until the
// states and fields of a batch no longer fit into the cache.
#pragma once

#include <cstdint>
#include <string>

#include "ir/graph.hpp"
#include "passes/plan/plan.hpp"

namespace relaxon {

/// No evaluation takes more images at a time, unless its network file's batches are larger.
inline constexpr std::int64_t most_evaluated_at_once = 256;

struct EvaluationBatch {
  std::int64_t images = 16;
  std::string why;  // for explain
};

/// options.batch, or a larger one in whole panels in which the cost model finds an image clearly cheaper, and
/// whose states, numbers and fields, as far as they matter at a time, the second cache holds but for a third.
/// `graph`: an optimised evaluation.
EvaluationBatch evaluation_batch(const Graph& graph, const PlanOptions& options);

/// What of a batch is left where threads share the batches of so many images: small enough that each thread
/// gets several, for the last ones to end at about the same time, but not below `least`.
std::int64_t shared_evaluation_batch(std::int64_t batch, std::int64_t least, std::int64_t images,
                                     int threads);

}  // namespace relaxon
