// Changing keys of a parsed network file from the command line: --set network.seed=3
#pragma once

#include <toml++/toml.h>

#include <string>
#include <string_view>

namespace relaxon {

/// Replaces or adds the key that "KEY=VALUE" names. An edge's are called edge.1-0.strength. The value is
/// TOML; what is not, such as adam or a path, is a string. Errors, also later ones about the value, start
/// with "--set KEY=VALUE".
void apply_override(toml::table& document, std::string_view assignment);

/// A string as TOML writes it.
std::string toml_string(std::string_view text);

}  // namespace relaxon
