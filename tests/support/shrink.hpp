// Smaller networks that fail like a given one, and networks as files, for messages of failed tests.
#pragma once

#include <functional>
#include <string>

#include "core/network.hpp"

namespace relaxon::testing {

/// A network for which `fails` still holds although no single edge, phase, update or optimizer of an edge can
/// be taken from it any more. An exception counts as a failure.
Network shrunk(Network network, const std::function<bool(const Network&)>& fails);

/// [network], [[edge]], [schedule] and [optimizer] of a network as a network file says them.
std::string network_text(const Network& network);

}  // namespace relaxon::testing
