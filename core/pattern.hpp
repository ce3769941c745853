// Which connections of a weight exist.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace relaxon {

/// The connections of a sparse (d, K) weight, by sender (compressed rows): the entries of sender j are
/// offsets[j] .. offsets[j+1], and receivers[e] is the receiver of entry e, ascending within a sender.
/// The same layout as a row-major Eigen::SparseMatrix<float>.
///
/// A recurrent pattern (fixed_diagonal) also holds the diagonal entries: connected, never trained.
struct Pattern {
  std::int64_t senders = 0;    // d
  std::int64_t receivers = 0;  // K
  bool fixed_diagonal = false;
  std::vector<std::int32_t> offsets;   // d + 1
  std::vector<std::int32_t> receiver;  // one per entry

  std::int64_t entries() const { return static_cast<std::int64_t>(receiver.size()); }
  std::span<const std::int32_t> receivers_of(std::int64_t sender) const {
    const auto begin = static_cast<std::size_t>(offsets[static_cast<std::size_t>(sender)]);
    const auto end = static_cast<std::size_t>(offsets[static_cast<std::size_t>(sender) + 1]);
    return std::span(receiver).subspan(begin, end - begin);
  }
  bool operator==(const Pattern&) const = default;
};

using PatternPtr = std::shared_ptr<const Pattern>;

}  // namespace relaxon
