#include "core/options.hpp"

#include <cstdlib>
#include <sstream>

#include "core/error.hpp"

namespace relaxon {

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

std::optional<std::filesystem::path> code_cache_folder() {
  if (const auto chosen = environment("RELAXON_CACHE")) {
    if (*chosen == "off") return std::nullopt;
    return *chosen;
  }
  if (const auto caches = environment("XDG_CACHE_HOME")) return std::filesystem::path(*caches) / "relaxon";
  if (const auto home = environment("HOME")) return std::filesystem::path(*home) / ".cache" / "relaxon";
  return std::nullopt;
}

std::optional<std::string> chosen_target() { return environment("RELAXON_TARGET"); }

SymbolListeners symbol_listeners() {
  SymbolListeners listeners;
  const std::string list = environment("RELAXON_SYMBOLS").value_or("");
  std::istringstream words(list);
  for (std::string word; std::getline(words, word, ',');) {
    if (word != "perf" && word != "gdb")
      fail("RELAXON_SYMBOLS: expected perf, gdb or both with a comma between, got {}", list);
    (word == "perf" ? listeners.perf : listeners.gdb) = true;
  }
  return listeners;
}

}  // namespace relaxon
