// The target that this machine is.
#pragma once

#include "core/target.hpp"

namespace relaxon {

/// The generic target with this machine's cores (those the process may use), instruction set and caches.
/// Takes no time.
Target host_target();

/// The same with everything measured, in some hundred milliseconds; medians, three digits.
Target measured_target();

}  // namespace relaxon
