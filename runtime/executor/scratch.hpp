// Memory in which a call of a kernel puts something down.
#pragma once

#include <cstdint>

#include "core/bytes.hpp"

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

}  // namespace relaxon::executor
