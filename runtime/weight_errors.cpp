#include "runtime/weight_errors.hpp"

#include "core/error.hpp"
#include "core/fixed_point.hpp"

namespace relaxon {

std::string weight_entry(const std::optional<EdgeId>& edge, std::int64_t sender, std::int64_t receiver) {
  return fmt::format("{}weight ({}, {})", edge ? fmt::format("edge {}: ", to_string(*edge)) : "", sender, receiver);
}

void fail_weight_limit(std::string_view entry, float weight, int fixed_bits) {
  fail("{} = {}; with {} fixed bits it must be below {} in magnitude", entry, weight, fixed_bits,
       weight_limit(fixed_bits));
}

void fail_message_limit(std::string_view value, float message, int fixed_bits) {
  fail("to_fix: %{} = {} has no exact value in 64 bits with {} fractional ones", value, message, fixed_bits);
}

void fail_update(std::string_view entry, float weight, float m, float v) {
  fail("{} = {} after an update, its moments {} and {}; expected finite numbers", entry, weight, m, v);
}

}  // namespace relaxon
