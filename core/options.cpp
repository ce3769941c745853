#include "core/options.hpp"

#include <cstdlib>

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

}  // namespace relaxon
