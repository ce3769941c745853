// A small network file and variations of it, for tests of how network files are read.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "frontends/network_file.hpp"
#include "tests/support/files.hpp"

namespace relaxon::testing {

using Overrides = std::vector<std::string>;

inline const std::string minimal = R"([network]
sizes = [784, 20, 10]
seed = 1

[[edge]]
receiver = 1
sender = 0
module = "FullyConnected"
strength = 5.0
threshold = 1.0

[[edge]]
receiver = 1
sender = 1
module = "RecurrentDiscrete"
j_d = 0.5
threshold = 1

[[edge]]
receiver = 2
sender = 1
module = "FullyConnected"
strength = 1.0
threshold = 1.0

[[edge]]
receiver = 2
sender = 2
module = "OutputLayer"

[data]
name = "fashion-mnist"

[schedule]
kind = "two-phase"
iterations = 3

[optimizer]
name = "sgd"
lr = 1.0

[train]
epochs = 2
)";

/// The text with one piece of it replaced.
inline std::string replaced(std::string text, const std::string& before, const std::string& after) {
  const std::size_t at = text.find(before);
  REQUIRE(at != std::string::npos);
  return text.replace(at, before.size(), after);
}
/// The file with one piece of its text replaced.
inline std::string with(const std::string& before, const std::string& after) {
  return replaced(minimal, before, after);
}

inline NetworkFile parse(const std::string& text, const Overrides& overrides = {}) {
  return parse_network_file(text, "net.toml", overrides);
}

inline std::string error_in(const std::string& text, const Overrides& overrides = {}) {
  return error_of([&] { parse(text, overrides); });
}

inline std::string error_with(const std::string& before, const std::string& after) {
  return error_in(with(before, after));
}

inline NetworkFile published(const std::string& name) {
  return load_network_file(std::string(RELAXON_NETWORKS_DIR) + "/" + name + ".toml");
}

inline const std::string two_phase = "kind = \"two-phase\"\niterations = 3\n";
inline const std::string rate = "lr = 1.0\n";

}  // namespace relaxon::testing
