// Memory of one's own for numbers.
#pragma once

#include <cstddef>
#include <memory>

namespace relaxon {

struct FreeBytes {
  void operator()(std::byte* p) const;
};
using Bytes = std::unique_ptr<std::byte[], FreeBytes>;

/// `count` bytes, whatever is in them, that begin on a cache line. From a megabyte on they lie on huge pages,
/// where the system has some to give: kernels that stride through a weight touch a page a row, and scattered
/// small pages share sets of the second cache by chance. Throws std::bad_alloc.
Bytes unset_bytes(std::size_t count);
/// The same, all 0.
Bytes zeroed_bytes(std::size_t count);

}  // namespace relaxon
