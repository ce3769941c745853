#include "core/layer_map.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include "core/error.hpp"

namespace relaxon {
namespace {

constexpr std::array<std::pair<Filter, std::string_view>, 4> filter_names{{{Filter::all, "all"},
                                                                           {Filter::forward, "forward"},
                                                                           {Filter::backward, "backward"},
                                                                           {Filter::inference, "inference"}}};

// Far above what fits a machine, low enough that products of sizes can't overflow.
constexpr std::int64_t largest_units = std::int64_t{1} << 31;

}  // namespace

std::string to_string(EdgeId edge) { return fmt::format("{}-{}", edge.receiver, edge.sender); }

std::string_view name_of(Filter filter) {
  for (const auto& [value, name] : filter_names) {
    if (value == filter) return name;
  }
  internal_error("unknown filter {}", static_cast<int>(filter));
}

std::optional<Filter> filter_named(std::string_view wanted) {
  for (const auto& [value, name] : filter_names) {
    if (name == wanted) return value;
  }
  return std::nullopt;
}

bool keeps(Filter filter, int receiver, int sender, int output) {
  switch (filter) {
    case Filter::all: return true;
    case Filter::forward: return sender <= receiver;
    case Filter::backward: return sender >= receiver;
    case Filter::inference: return sender != output;
  }
  internal_error("unknown filter {}", static_cast<int>(filter));
}

LayerMap::LayerMap(const std::vector<std::int64_t>& units) {
  std::transform(units.begin(), units.end(), std::back_inserter(sizes_), [](std::int64_t n) { return Shape{n}; });
}

LayerMap& LayerMap::add(int receiver, int sender, Module module, std::optional<int> key) {
  const EdgeId id{receiver, sender};
  const auto [place, inserted] = edges_.try_emplace(id, Edge{std::move(module), key});
  if (!inserted) {
    fail("edge {}: given twice ({}, then {})", to_string(id), name_of(place->second.module), name_of(module));
  }
  return *this;
}

const Edge& LayerMap::at(EdgeId edge) const {
  const auto found = edges_.find(edge);
  if (found == edges_.end()) fail("edge {}: not in the map", to_string(edge));
  return found->second;
}

std::int64_t LayerMap::units(int buffer) const { return count(sizes_.at(static_cast<std::size_t>(buffer))); }

std::vector<int> LayerMap::senders(int row, Filter filter) const {
  std::vector<int> kept;
  for (auto it = edges_.lower_bound({row, 0}); it != edges_.end() && it->first.receiver == row; ++it) {
    if (is_output(it->second.module)) continue;  // sends zeros
    if (keeps(filter, row, it->first.sender, output())) kept.push_back(it->first.sender);
  }
  return kept;
}

std::vector<EdgeId> LayerMap::trainable() const {
  std::vector<EdgeId> ids;
  for (const auto& [id, edge] : edges_) {
    if (is_trainable(edge.module)) ids.push_back(id);
  }
  return ids;
}

int LayerMap::key_index(EdgeId edge) const {
  const auto found = edges_.find(edge);
  if (found == edges_.end()) fail("edge {}: not in the map", to_string(edge));
  return found->second.key.value_or(static_cast<int>(std::distance(edges_.begin(), found)));
}

void LayerMap::validate() const {
  if (buffers() < 2) fail("sizes: at least an input and an output are needed, got {} buffer(s)", buffers());
  for (int b = 0; b < buffers(); ++b) {
    const Shape& size = sizes_[static_cast<std::size_t>(b)];
    const bool positive = !size.empty() && std::all_of(size.begin(), size.end(), [](auto n) {
      return n >= 1 && n <= largest_units;
    });
    if (!positive) fail("sizes: buffer {} has size {}; every axis must be 1 .. 2^31", b, relaxon::to_string(size));
    double units = 1;
    for (const std::int64_t n : size) units *= static_cast<double>(n);
    if (units > static_cast<double>(largest_units)) {
      fail("sizes: buffer {} has {:.3g} units, more than 2^31", b, units);
    }
  }
  for (const auto& [id, edge] : edges_) validate_place(id, edge.module);
  for (int row = 1; row < buffers(); ++row) {
    if (!edges_.contains({row, row})) fail("row {}: no layer on the diagonal ({}, {})", row, row, row);
  }
  for (const auto& [id, edge] : edges_) {
    relaxon::validate(edge.module, units(id.sender), units(id.receiver), fmt::format("edge {}", to_string(id)));
  }
}

void LayerMap::validate_place(EdgeId id, const Module& module) const {
  const std::string where = fmt::format("edge {}", to_string(id));
  if (id.receiver == 0) fail("{}: row 0 can't receive, the input is clamped; rows are 1 .. {}", where, output());
  if (id.receiver < 0 || id.receiver > output()) {
    fail("{}: unknown receiver {}; rows are 1 .. {}", where, id.receiver, output());
  }
  if (id.sender < 0 || id.sender > output()) {
    fail("{}: unknown sender {}; buffers are 0 .. {}", where, id.sender, output());
  }
  for (const int buffer : {id.sender, id.receiver}) {
    const Shape& size = sizes_[static_cast<std::size_t>(buffer)];
    if (size.size() != 1) {
      fail("{}: {} connects buffers of one axis; buffer {} has size {}", where, name_of(module), buffer,
           relaxon::to_string(size));
    }
  }
  const bool diagonal = id.receiver == id.sender;
  if (diagonal && !is_layer(module)) {
    fail("{}: {} is an adapter; the diagonal needs a layer", where, name_of(module));
  }
  if (!diagonal && is_layer(module)) {
    fail("{}: {} is a layer, a second one in row {}; layers stand on the diagonal only", where, name_of(module),
         id.receiver);
  }
  if (diagonal && is_output(module) != (id.receiver == output())) {
    fail("{}: {} in row {}; OutputLayer is the layer of the last row ({}) and only of it", where, name_of(module),
         id.receiver, output());
  }
}

}  // namespace relaxon
