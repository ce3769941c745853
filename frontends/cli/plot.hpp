// Images by gnuplot: the accuracy plot that a training leaves, and others' scripts.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "runtime/history.hpp"

namespace relaxon::cli {

inline constexpr std::string_view plot_file = "accuracy.svg";

/// Draws the accuracies over the epochs with gnuplot and writes the image atomically. Returns why there is no
/// plot if gnuplot is missing or fails; throws Error if the image can't be written.
std::optional<std::string> plot_accuracy(const History& history, const std::filesystem::path& path);

/// Runs a gnuplot script that draws an SVG image, which is written atomically. As plot_accuracy.
std::optional<std::string> draw(const std::string& script, const std::filesystem::path& path);

}  // namespace relaxon::cli
