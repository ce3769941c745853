// One number for everything that training changed.
#pragma once

#include <map>
#include <string>

#include "core/network.hpp"

namespace relaxon {

struct EdgeState;

/// XXH64, 16 hex digits, over little-endian values: of each edge in map order, frozen ones too, its connected
/// entries by sender then receiver, the diagonal included; then of each trainable edge its moments in the
/// same order and its optimizer's step count (i64).
std::string digest_of(const Network& network, const std::map<EdgeId, EdgeState>& edges);

}  // namespace relaxon
