#include "core/network.hpp"

#include <cmath>

#include "core/error.hpp"

namespace relaxon {
namespace {

void check(const Values& values, std::string_view buffer) {
  const bool finite = std::isfinite(values.a) && std::isfinite(values.b);
  if (!finite) fail("{}: declared values {} and {}; expected finite numbers", buffer, values.a, values.b);
  if (!(std::isfinite(values.scale) && values.scale > 0)) {
    fail("{}: scale = {}; expected a positive number", buffer, values.scale);
  }
}

}  // namespace

void Network::validate() const {
  if (fixed_bits < min_fixed_bits || fixed_bits > max_fixed_bits) {
    fail("network: fixed_bits = {}; expected {} .. {}", fixed_bits, min_fixed_bits, max_fixed_bits);
  }
  map.validate();
  schedule.validate(map);
  optimizer.validate(map);
  check(input, "input");
  check(label, "label");
  if (label.kind == Values::Kind::bytes) fail("label: declared as bytes; expected real, ternary or two-valued labels");
  if (key_count() < 1 || key_count() > 1'000'000) fail("network: keys = {}; expected 1 .. 1000000", key_count());
  for (const auto& [id, edge] : map.edges()) {
    const int key = map.key_index(id);
    if (has_weight(edge.module) && (key < 0 || key >= key_count())) {
      fail("edge {}: key = {}; the network has keys 0 .. {}", to_string(id), key, key_count() - 1);
    }
  }
}

}  // namespace relaxon
