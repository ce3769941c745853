#include "runtime/digest.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <bit>
#include <memory>

#include "runtime/session.hpp"

namespace relaxon {

static_assert(std::endian::native == std::endian::little, "the digest hashes values as they lie in memory");

std::string digest_of(const Network& network, const std::map<EdgeId, EdgeState>& edges) {
  const std::unique_ptr<XXH64_state_t, decltype(&XXH64_freeState)> hash(XXH64_createState(), &XXH64_freeState);
  XXH64_reset(hash.get(), 0);
  for (const auto& [id, state] : edges) {
    XXH64_update(hash.get(), state.weight.values.raw(), state.weight.values.bytes());
  }
  for (const EdgeId id : network.map.trainable()) {
    const EdgeState& state = edges.at(id);
    for (const Tensor& moment : state.moments) XXH64_update(hash.get(), moment.raw(), moment.bytes());
    XXH64_update(hash.get(), &state.clock.t, sizeof state.clock.t);
  }
  return fmt::format("{:016x}", XXH64_digest(hash.get()));
}

}  // namespace relaxon
