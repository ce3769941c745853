// Graphs and plans as JSON, with all that their text form says.
//
//     {"stage", "name", "fixed_bits", "patterns": [{"name", "shape": [d, K], "fixed_diagonal"}],
//      "slots": [{"name", "value", "type", "storage", "live": [first, last]}],          planned only
//      "bindings": [{"name", "value"}], "steps": [..], "results": [{"name", "value"}]}
//
// A step: {"kind", "results": [..], "types": [..], "operands": [..], "attributes", "edge"}; of a plan also
// "op", "fused", "threads", "covers", "why"; with a body "index", "carries": [{"name", "start"}], "until_unchanged",
// "body", "yield". Keys without content are left out.
#pragma once

#include <nlohmann/json.hpp>

#include "frontends/view/outline.hpp"

namespace relaxon {

nlohmann::ordered_json to_json(const Outline& outline);

}  // namespace relaxon
