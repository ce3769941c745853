// What the environment decides. The only place that reads it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace relaxon {

/// A variable of the environment that is set and not empty.
std::optional<std::string> environment(const char* name);

/// Where generated code is kept between runs: RELAXON_CACHE, or $XDG_CACHE_HOME/relaxon, or ~/.cache/relaxon.
/// nullopt: nowhere, as with RELAXON_CACHE=off, or without a home. The folder need not exist.
std::optional<std::filesystem::path> code_cache_folder();

/// RELAXON_TARGET, which overrides the target that plans are made for: what --target takes (core/target.hpp).
std::optional<std::string> chosen_target();

/// Who is told the names of generated functions: RELAXON_SYMBOLS is a list of `perf` (a map for perf report)
/// and `gdb` (registration with debuggers). Throws Error for anything else.
struct SymbolListeners {
  bool perf = false, gdb = false;
};
SymbolListeners symbol_listeners();

}  // namespace relaxon
