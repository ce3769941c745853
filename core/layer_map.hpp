// The layer map: which module sends from buffer j to buffer i (semantics: sections 1 and 2).
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/module.hpp"
#include "core/tensor.hpp"

namespace relaxon {

/// An edge of the map, ordered by receiver, then sender ("map order").
struct EdgeId {
  int receiver = 0;
  int sender = 0;
  auto operator<=>(const EdgeId&) const = default;
};

/// "1-0": receiver, then sender.
std::string to_string(EdgeId edge);

/// Which messages of row i a phase keeps (section 2).
enum class Filter : std::uint8_t { all, forward, backward, inference };

std::string_view name_of(Filter filter);
std::optional<Filter> filter_named(std::string_view name);

/// What stands at one place of the map. `key` is the index of the edge's key among the network's keys; by
/// default the edge's position in map order.
struct Edge {
  Module module;
  std::optional<int> key;
  bool operator==(const Edge&) const = default;
};

/// Sizes of the buffers and the modules between them. Buffer 0 is the input, the last one the output.
///
///     LayerMap map({100, 300, 10});
///     map.add(1, 0, FullyConnected{.strength = 5, .threshold = 1});
///     map.add(1, 1, RecurrentDiscrete{.j_d = 0.5, .threshold = 1});
///     map.add(2, 1, FullyConnected{.strength = 1, .threshold = 1});
///     map.add(2, 2, OutputLayer{});
class LayerMap {
 public:
  LayerMap() = default;
  /// One-axis buffers: the number of units of each.
  explicit LayerMap(const std::vector<std::int64_t>& units);
  explicit LayerMap(std::initializer_list<std::int64_t> units) : LayerMap(std::vector<std::int64_t>(units)) {}
  /// Buffers of any shape, e.g. {28, 28, 8}, without the batch axis.
  explicit LayerMap(std::vector<Shape> sizes) : sizes_(std::move(sizes)) {}

  /// Places a module. Throws Error if the place is taken.
  LayerMap& add(int receiver, int sender, Module module, std::optional<int> key = std::nullopt);

  const std::vector<Shape>& sizes() const { return sizes_; }
  const std::map<EdgeId, Edge>& edges() const { return edges_; }
  const Edge& at(EdgeId edge) const;

  int buffers() const { return static_cast<int>(sizes_.size()); }
  /// The last row, L.
  int output() const { return buffers() - 1; }
  /// Number of units of a buffer: the product of its axes.
  std::int64_t units(int buffer) const;
  /// The senders of a row that `filter` keeps, ascending; the diagonal included where it sends.
  std::vector<int> senders(int row, Filter filter) const;
  /// The edges that have a weight to train, in map order.
  std::vector<EdgeId> trainable() const;
  /// The key index of an edge (its own or its position in map order).
  int key_index(EdgeId edge) const;

  /// Checks the map as a whole: rows 1..L each with one layer on the diagonal and adapters elsewhere, the
  /// output layer in the last row alone, known buffers, every module's arguments. Throws Error.
  void validate() const;

  bool operator==(const LayerMap&) const = default;

 private:
  void validate_place(EdgeId edge, const Module& module) const;

  std::vector<Shape> sizes_;
  std::map<EdgeId, Edge> edges_;
};

/// Whether `filter` keeps the message from `sender` in row `receiver` of a map whose last buffer is `output`.
bool keeps(Filter filter, int receiver, int sender, int output);

}  // namespace relaxon
