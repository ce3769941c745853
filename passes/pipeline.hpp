// The passes, in the order they run, and how they are chosen and watched.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.hpp"

namespace relaxon {

/// A rewrite of a graph into one that computes the same bits.
struct Pass {
  std::string_view name;
  std::string_view summary;  // one line
  Graph (*run)(const Graph&);
};

/// All passes in the order of the default pipeline.
std::span<const Pass> all_passes();

/// Which passes run, in pipeline order.
class PassSelection {
 public:
  /// Every pass.
  PassSelection();
  /// "default", "none" (or ""), a list "hoist,cse", or the default without some: "default,-advance". Throws
  /// Error that lists the known names.
  static PassSelection parse(std::string_view text);

  const std::vector<const Pass*>& passes() const { return passes_; }
  bool contains(std::string_view name) const;
  bool operator==(const PassSelection&) const = default;

 private:
  std::vector<const Pass*> passes_;
};

/// One pass as it ran.
struct PassRecord {
  std::string_view name;
  double milliseconds = 0;
  bool changed = false;
  std::size_t ops_before = 0, ops_after = 0;
};

struct PassOptions {
  PassSelection selection;
  /// Sees the graph after each pass that changed it.
  std::function<void(const PassRecord&, const Graph&)> observer;
};

/// Runs the selected passes; verifies the graph after each one that changed it. canonicalize always runs: the
/// optimised stage needs it.
Graph optimise(const Graph& graph, const PassOptions& options = {});

}  // namespace relaxon
