// What the bindings and results of lowered graphs are, and what they are called in the text form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/layer_map.hpp"

namespace relaxon {

/// Every binding and result of a lowered graph plays one role. Its name in the text form is the role's name,
/// then "/" and the edge ("weight/1-0"), then "/" and the index ("moment/1-0/1", "state/1"), as it has them.
struct Role {
  enum class Kind : std::uint8_t {
    input,       // x, one batch
    label,       // y, one batch
    state,       // index: buffer
    target,      // index: buffer; a second state to take targets from
    gate,        // a tensor gate
    iterations,  // index: phase
    margin,      // edge: the first of its row with these thresholds
    scalars,     // edge, index: update point; one step's, or a table of steps
    weight,      // edge
    moment,      // edge, index
    inputs,      // all of a split
    classes,     // all of a split
    code,        // label code book
    order,       // images in the order of an epoch
    steps,       // number of batches
    batch,       // images a batch
    field,       // index: row
    correlation, // edge: S, finished in float32
    scores,
    hits,
  };
  Kind kind = Kind::input;
  EdgeId edge;
  int index = 0;
  bool operator==(const Role&) const = default;
};

std::string to_string(const Role& role);
/// The role of a name; nullopt if it is none.
std::optional<Role> role_named(std::string_view name);

}  // namespace relaxon
