#include "core/bytes.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <new>

namespace relaxon {
namespace {

TEST_CASE("bytes begin on a line, large ones on a huge page, and are 0", "[bytes]") {
  const std::size_t mega = std::size_t{1} << 20;
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{1}, std::size_t{64}, mega - 1, mega, 2 * mega, 2 * mega + 1, 5 * mega}) {
    CAPTURE(count);
    const std::size_t alignment = count >= mega ? 2 * mega : 64;
    // What was freed before is not 0.
    {
      const Bytes used = unset_bytes(count);
      REQUIRE(used);
      REQUIRE(reinterpret_cast<std::uintptr_t>(used.get()) % alignment == 0);
      std::fill_n(used.get(), count, std::byte{0xff});
    }
    const Bytes bytes = zeroed_bytes(count);
    REQUIRE(bytes);
    REQUIRE(reinterpret_cast<std::uintptr_t>(bytes.get()) % alignment == 0);
    REQUIRE(std::all_of(bytes.get(), bytes.get() + count, [](std::byte b) { return b == std::byte{0}; }));
  }
}

TEST_CASE("bytes that nobody has are refused", "[bytes]") {
  REQUIRE_THROWS_AS(zeroed_bytes(SIZE_MAX), std::bad_alloc);
  REQUIRE_THROWS_AS(zeroed_bytes(SIZE_MAX / 2), std::bad_alloc);
}

}  // namespace
}  // namespace relaxon
