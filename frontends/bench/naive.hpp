// The naive baseline: any declared network as one would write it down with Eigen.
//
// Everything is float32: all messages of a row in every iteration, plain products, plain updates of whole
// weights. Nothing is exact, so its states part from the session's as soon as a field lands on the other side
// of 0; what it learns is as good.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "core/network.hpp"
#include "frontends/bench/naive_edge.hpp"
#include "runtime/session.hpp"

namespace relaxon::bench {

class NaiveNetwork {
 public:
  /// Goes on from a session's `edges`. Each sparse edge takes the forms that are fastest for the schedule's
  /// messages and updates in batches of `batch`.
  NaiveNetwork(const Network& network, const std::map<EdgeId, EdgeState>& edges, std::int64_t batch,
               Isa isa = best_isa());
  /// The same with every sparse edge in these forms.
  NaiveNetwork(const Network& network, const std::map<EdgeId, EdgeState>& edges, Forms forms,
               Isa isa = best_isa());

  /// As those of Session.
  void train(const LabelledData& data, std::span<const std::int32_t> order, std::int64_t batch_size);
  std::int64_t hits(const LabelledData& data, std::int64_t images, std::int64_t batch_size);
  const NaiveEdge& edge(EdgeId id) const { return edges_.at(id); }

 private:
  /// (units, B), as aligned as Eigen's own matrices: its products by rows are several times slower otherwise.
  using Buffer = Tensor;

  void allocate(std::int64_t batch);
  void clamp_inputs(const Tensor& inputs, std::span<const std::int32_t> images);
  void clamp_labels(const LabelledData& data, std::span<const std::int32_t> images);
  void field(int row, Filter filter, Buffer& out);
  void run(const Phase& phase);
  void correlate(std::span<const EdgeId> edges);
  void update(std::span<const EdgeId> edges);
  void train_batch(const LabelledData& data, std::span<const std::int32_t> images);
  std::int64_t batch_hits(const LabelledData& data, std::span<const std::int32_t> images);

  Network network_;
  const EigenKernels* kernels_;
  std::map<EdgeId, NaiveEdge> edges_;
  std::int64_t batch_ = 0;
  std::vector<Buffer> states_, fields_;  // one of each for every buffer of the network
  Buffer message_;
};

/// How many times a batch of training sends each message, those of the fields of the updates included.
std::map<EdgeId, std::int64_t> messages_per_batch(const Network& network);
/// How many times it computes the correlation of each edge.
std::map<EdgeId, std::int64_t> correlations_per_batch(const Network& network);
/// How many times a batch of evaluation sends each message, predict included.
std::map<EdgeId, std::int64_t> messages_per_evaluation(const Network& network);

}  // namespace relaxon::bench
