// How fast a network file runs here, beside baselines measured in the same run.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/data/dataset.hpp"
#include "frontends/network_file.hpp"
#include "runtime/program.hpp"

namespace relaxon::bench {

struct BenchOptions {
  CompileOptions compile = {};
  std::int64_t after_steps = 500;  // training steps before anything is timed
  bool naive = false, peak = false;
  std::vector<Backend> backends = {};  // to time beside compile.backend
  std::vector<Probe> probes = {};      // to time training with them beside training without
  int rounds = 9;                      // chunks of each contender
  double chunk_seconds = 0.1;          // about how long one of them takes
  std::optional<double> seconds = {};  // no round starts later than this, except the first three
};

/// Times in microseconds of one step of a batch of the file's size; of an evaluation in larger batches, what
/// so many images take.
struct StepTimes {
  double train_us = 0, evaluate_us = 0;
};

/// A baseline's times, and how many times as long as relaxon's they are: medians over the rounds, each of
/// which times both one after the other.
struct Baseline {
  StepTimes times;
  double train_ratio = 1, evaluate_ratio = 1;
};

struct BenchResult {
  StepTimes relaxon;
  std::vector<std::pair<std::string, Baseline>> baselines;  // backends by their names, probed, naive, peak
  std::int64_t batch = 1, evaluation_batch = 1;
  double compile_ms = 0;
  std::int64_t compiles = 0, cache_hits = 0;
  int threads = 1;
  Backend backend = Backend::kernels;
  Isa isa = Isa::x86_64;
};

/// Trains `after_steps` steps, hands the weights to the other backends and the naive baseline, then lets all
/// train and evaluate by turns. What a call costs whatever its length (checks, weights in and out: once an
/// epoch) isn't counted. Train steps go on with the file's own data in the order of its epochs, whole batches
/// only; evaluation runs over the first test images, in the batches that a session evaluates them all in
/// (naive: in those of the training). Times are medians over the rounds. `peak` divides the dense algorithm's
/// operations (peak.hpp) by the highest rate measured between the rounds. Throws Error.
BenchResult run(const NetworkFile& file, const Dataset& data, const BenchOptions& options);

std::string to_text(const BenchResult& result);
/// One object; the times of naive and peak are null if they weren't asked for.
nlohmann::ordered_json to_json(const BenchResult& result);

}  // namespace relaxon::bench
