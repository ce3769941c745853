// Network files: one TOML document that declares network, data, schedule, optimizer and training.
//
//     [network]            sizes, seed, rng, keys, fixed_bits
//     [[edge]]             receiver, sender, module, its arguments, key
//     [data]               name, path, seed, key_path, batch_size, ...     (core/data/options.hpp)
//     [schedule]           kind and its counts, sweep, update_filter
//     [optimizer]          name, lr, ...; [optimizer.edge."1-0"] replaces it for one edge
//     [train]              epochs, train_eval
//     [lint]               allow
//     [[probe]]            value, phase, every, what, file     (passes/probe.hpp, runtime/recording.hpp)
//
// Every error is one line, "file:line: key: expected ..., found ...". What only the declaration as a whole
// shows (a row without a layer, an argument out of range) is "file:line: " and the message of core.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/data/options.hpp"
#include "core/network.hpp"
#include "runtime/recording.hpp"

namespace relaxon {

/// The table [train].
struct TrainSettings {
  /// train_eval = "all".
  static constexpr std::int64_t all_images = std::numeric_limits<std::int64_t>::max();

  std::int64_t epochs = 0;
  std::optional<std::int64_t>
      train_eval;  // at most so many train images; default: as many as the test set has
  bool operator==(const TrainSettings&) const = default;
};

/// The table [lint].
struct LintSettings {
  std::vector<std::string> allow;  // findings that are meant: "id" or "id edge" (frontends/lint/lint.hpp)
  bool operator==(const LintSettings&) const = default;
};

/// The tables [[probe]], by what they look at.
struct ProbeSettings {
  std::vector<ProbeFile> training, evaluation;
};

struct NetworkFile {
  Network network;  // input and label declared as the data will be
  DataOptions data;
  TrainSettings train;
  LintSettings lint;
  ProbeSettings probes;
  std::string text;  // a document that parses to this without overrides; the file's own if there were none
};

/// Reads a network file and checks all of it that the data's files aren't needed for. `overrides` are
/// "network.seed=3", "edge.1-1.sparsity=0.96", "optimizer.edge.1-0.lr=0.1": each replaces or adds one key
/// before anything is checked. The value is TOML; a bare word is a string. Throws Error.
NetworkFile load_network_file(const std::filesystem::path& path, std::span<const std::string> overrides = {});

/// The same for a text that errors call `name`.
NetworkFile parse_network_file(std::string_view text, const std::string& name,
                               std::span<const std::string> overrides = {});

}  // namespace relaxon
