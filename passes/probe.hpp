// Values to look at while a network runs.
//
// A probe costs what it makes visible: the value is kept instead of fused away, and a phase of which every
// iteration is probed runs all of them. Everything else stays optimised; without probes nothing changes.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/network.hpp"

namespace relaxon {

/// Which value, and when. In text: VALUE[@PHASE][:every], where VALUE is
///
///     s1          state of row 1 after a phase; with :every after each of its iterations
///     h1          field of row 1 from the states after a phase; with :every the one each iteration's states
///                 follow from
///     f1          field of row 1 that an update judges
///     error/1-0   what the update of an edge correlates with its sender: target where the field misses the
///                 margin, else 0
///     S/1-0       that correlation
///     weight/1-0  weight after an update
///     scores      the read-out's field at the end of an evaluation
///
/// and PHASE counts the schedule's phases from 0; without it s and h are those of every phase.
struct Probe {
  enum class Kind : std::uint8_t { state, field, judged, error, correlation, weight, scores };
  Kind kind = Kind::state;
  int row = 0;                    // state, field, judged
  EdgeId edge = {};               // error, correlation, weight
  std::optional<int> phase = {};  // state, field
  bool every = false;             // state, field
  auto operator<=>(const Probe&) const = default;
};

std::string to_string(const Probe& probe);

/// Throws Error "probe TEXT: expected ...".
Probe parse_probe(std::string_view text);

/// Checks that a network has such a value in its training or its evaluation. Throws Error "probe s3: ...".
void validate(const Probe& probe, const Network& network, bool evaluation);

/// Every value that a network has, of every phase and iteration.
std::vector<Probe> all_probes(const Network& network, bool evaluation);

/// Whether the value has one row for each image of a batch; weights and correlations have not.
bool has_batch(const Probe& probe);

}  // namespace relaxon
