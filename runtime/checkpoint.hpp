// Checkpoints: everything a training needs to go on as if it had never stopped, in one safetensors file.
//
// Tensors, for every edge "i-j" that has a weight: "i-j.weight" f32, (d, K) or one value per connection; for
// sparse edges also the connections, "i-j.offsets" and "i-j.receivers" i32 (core/pattern.hpp); the moments
// "i-j.moment.0", ... f32, shaped as the weight. Metadata: "format", "format_version", "network" (the text of
// the network file), "training" (JSON: the clocks of the optimizers, the position, the history) and
// "checksum", XXH64 over all of that.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "core/layer_map.hpp"
#include "core/rng.hpp"
#include "runtime/history.hpp"
#include "runtime/session.hpp"

namespace relaxon {

/// What the steps of an epoch run through: training goes on only where these are the same.
struct TrainingData {
  std::int64_t images = 0;  // of the train split
  std::int64_t batch_size = 1;
  Key shuffle;  // where the orders of the epochs start

  /// How many batches the images make; the last may be smaller.
  std::int64_t batches() const { return images / batch_size + (images % batch_size != 0 ? 1 : 0); }
  bool operator==(const TrainingData&) const = default;
};

/// Where a training stands, between two batches.
struct TrainingPosition {
  std::int64_t epochs = 0;  // complete
  std::int64_t steps = 0;   // batches done of the epoch after those
  double seconds = 0;       // spent on these batches
  Key shuffle;              // EpochOrder's key before that epoch's order is drawn
  bool operator==(const TrainingPosition&) const = default;
};

/// A training apart from the network's own numbers.
struct TrainingRecord {
  TrainingData data;
  TrainingPosition position;
  History history;      // of the complete epochs
  std::string network;  // text of the network file
  bool operator==(const TrainingRecord&) const = default;
};

struct Checkpoint {
  std::map<EdgeId, EdgeState> edges;
  TrainingRecord training;
};

/// Writes atomically: whenever the process dies, the name holds the old file or the new one. Throws Error
/// naming the file.
void save_checkpoint(const std::filesystem::path& path, const std::map<EdgeId, EdgeState>& edges,
                     const TrainingRecord& training);

/// Reads and checks a file. Throws Error naming the file and what is wrong with it: not there, cut short, not
/// a checkpoint, of another format version, corrupt.
Checkpoint load_checkpoint(const std::filesystem::path& path);

/// Gives a session the weights and optimizer states of a checkpoint; `path` is what errors call it. Throws
/// Error naming the first edge that differs from the network's; then the session is as it was.
void restore(Session& session, Checkpoint checkpoint, const std::filesystem::path& path);

}  // namespace relaxon
