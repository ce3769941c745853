// Declarations as golden cases write them (network, modules, optimizers, keys).
#pragma once

#include "core/key_path.hpp"
#include "core/network.hpp"
#include "tests/golden/json_value.hpp"

namespace relaxon::golden {

/// A module from its name and an object with its arguments. Throws UnknownModule for a name that isn't known.
Module read_module(const JsonValue& name, const JsonValue& arguments);

RngLayout read_layout(const JsonValue& value);
KeyPath read_key_path(const JsonValue& value);
/// "1-0": receiver, then sender.
EdgeId read_edge_name(const std::string& name);

/// The network of a case of kind "network" or "scale"; buffers are real unless x_pm1, x_scale, y_pm1 or
/// y_values declare more.
Network read_network(const JsonValue& golden);

}  // namespace relaxon::golden
