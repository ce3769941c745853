// Two sessions in lock step: the first value that differs between them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/data/dataset.hpp"
#include "frontends/batch_stream.hpp"
#include "runtime/session.hpp"

namespace relaxon {

/// Where two sessions part.
struct Difference {
  std::string probe;                      // the value, "s1@2:every"; "weight/1-0"
  bool evaluation = false;                // seen in the evaluation that follows the last batch
  std::int64_t step = 0;                  // batch, from 0
  std::optional<std::int64_t> iteration;  // of the phase
  std::vector<std::int64_t> index;        // in the value: image, unit
  std::string first, second;              // what each has there
  bool operator==(const Difference&) const = default;
};

struct CheckResult {
  std::int64_t steps = 0;   // batches trained
  std::int64_t values = 0;  // arrays that agree
  std::optional<Difference> difference;
};

/// Trains `steps` batches on both, then evaluates the first test images, and compares whatever the network
/// computes: states and fields of each iteration, errors, correlations, weights, scores. Stops at the first
/// difference, in the order in which the second session computes. The sessions' networks must be equal.
/// Throws Error.
CheckResult check(Session& first, Session& second, const Dataset& data, BatchStream& stream,
                  std::int64_t batch, std::int64_t steps);

/// "step 2, s1@1:every, iteration 3, [5, 1204]: 1 on kernels, -1 on interpreter"
std::string to_string(const Difference& difference, const std::string& first, const std::string& second);

}  // namespace relaxon
