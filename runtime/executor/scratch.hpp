// Memory in which a call of a kernel puts something down.
#pragma once

#include <cstdint>
#include <vector>

#include "core/bytes.hpp"
#include "runtime/kernels/kernels.hpp"
#include "runtime/thread_team.hpp"

namespace relaxon::executor {

/// Begins on a cache line and grows to the most that was asked for.
class Scratch {
 public:
  template <class T>
  T* room_for(std::int64_t count) {
    const auto bytes = static_cast<std::size_t>(count) * sizeof(T);
    if (bytes > size_) {
      memory_ = unset_bytes(bytes);
      size_ = bytes;
    }
    return reinterpret_cast<T*>(memory_.get());
  }

 private:
  Bytes memory_;
  std::size_t size_ = 0;
};

/// Where the parts of a step put the bytes of two panels side by side (byte_sparse_scratch()).
class JoinedBytes {
 public:
  explicit JoinedBytes(int threads) : parts_(static_cast<std::size_t>(threads)) {}
  std::uint32_t* of(ThreadPart part, std::int64_t senders, std::int64_t panels) {
    return parts_[static_cast<std::size_t>(part.index)].room_for<std::uint32_t>(
        byte_sparse_scratch(senders, panels));
  }

 private:
  std::vector<Scratch> parts_;
};

}  // namespace relaxon::executor
