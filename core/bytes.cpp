#include "core/bytes.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace relaxon {
namespace {

constexpr std::size_t cache_line = 64, huge_page = std::size_t{1} << 21, large = std::size_t{1} << 20;

}  // namespace

void FreeBytes::operator()(std::byte* p) const { std::free(p); }

Bytes unset_bytes(std::size_t count) {
  const std::size_t alignment = count >= large ? huge_page : cache_line;
  if (count > SIZE_MAX - alignment) throw std::bad_alloc();
  const std::size_t whole = std::max((count + alignment - 1) / alignment * alignment, alignment);
  Bytes bytes(static_cast<std::byte*>(std::aligned_alloc(alignment, whole)));
  if (!bytes) throw std::bad_alloc();
  // Advice: without such pages the memory is as good, only slower.
  if (alignment == huge_page) madvise(bytes.get(), whole, MADV_HUGEPAGE);
  return bytes;
}

Bytes zeroed_bytes(std::size_t count) {
  Bytes bytes = unset_bytes(count);
  std::memset(bytes.get(), 0, count);
  return bytes;
}

}  // namespace relaxon
