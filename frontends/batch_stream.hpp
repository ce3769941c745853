// The batches that a network file trains on, for programs that train a few of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/data/dataset.hpp"
#include "frontends/network_file.hpp"
#include "runtime/session.hpp"

namespace relaxon {

/// The file's whole batches, epoch after epoch.
class BatchStream {
 public:
  BatchStream(const NetworkFile& file, const Dataset& data, std::int64_t batch)
      : order_(file.data, data, file.network.rng), batch_(batch) {}

  /// The images of the next batches.
  std::vector<std::int32_t> next(std::int64_t batches) {
    const auto wanted = static_cast<std::size_t>(batches * batch_);
    std::vector<std::int32_t> images;
    images.reserve(wanted);
    while (images.size() < wanted) {
      if (position_ == epoch_.size()) start_epoch();
      const std::size_t n = std::min(wanted - images.size(), epoch_.size() - position_);
      const auto begin = epoch_.begin() + static_cast<std::ptrdiff_t>(position_);
      images.insert(images.end(), begin, begin + static_cast<std::ptrdiff_t>(n));
      position_ += n;
    }
    return images;
  }

 private:
  void start_epoch() {
    epoch_ = order_.next();
    epoch_.resize(epoch_.size() - epoch_.size() % static_cast<std::size_t>(batch_));
    position_ = 0;
  }

  EpochOrder order_;
  std::int64_t batch_;
  std::vector<std::int32_t> epoch_;
  std::size_t position_ = 0;
};

/// A split as a session trains on it; valid as long as both.
inline LabelledData labelled(const Split& split, const Tensor& code) {
  const auto borrowed = [](const Tensor& tensor) { return TensorPtr(TensorPtr(), &tensor); };
  return {.inputs = borrowed(split.x), .classes = borrowed(split.classes), .code = borrowed(code)};
}

}  // namespace relaxon
