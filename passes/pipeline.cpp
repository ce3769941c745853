#include "passes/pipeline.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "core/error.hpp"
#include "ir/verify.hpp"
#include "passes/absorb.hpp"
#include "passes/advance.hpp"
#include "passes/canonicalize.hpp"
#include "passes/code_book.hpp"
#include "passes/cse.hpp"
#include "passes/dce.hpp"
#include "passes/exit.hpp"
#include "passes/fuse.hpp"
#include "passes/fuse_phase.hpp"
#include "passes/hoist.hpp"
#include "passes/scan_carry.hpp"
#include "passes/zeros.hpp"

namespace relaxon {
namespace {

constexpr std::array<Pass, 12> table{{
    {"canonicalize", "updates become an error and a correlation; sums of one message vanish", canonicalize},
    {"scan_carry", "carries that no iteration changes vanish", scan_carry},
    {"zeros", "linear ops of zeros are zeros", fold_zeros},
    {"hoist", "what no iteration changes is computed before the scan or the epoch", hoist},
    {"code_book", "messages of labels are computed once per class, outside the epoch", code_book},
    {"cse", "equal ops of equal operands are computed once", cse},
    {"dce", "what nothing needs is not computed", dce},
    {"fuse_phase", "phases that iterate the same body are one phase", fuse_phase},
    {"advance", "messages of changing states are carried and brought up to date by what changed", advance},
    {"absorb", "what every field of a carried message has is in it from the start", absorb},
    {"exit", "scans stop at a fixed point", exit_at_fixed_point},
    {"fuse", "fields with their thresholds and errors, correlations with their updates are one region", fuse},
}};

/// What runs when. The sums of fuse_phase and the messages of zeros of advance are for passes that come
/// again.
constexpr std::array<std::string_view, 17> order{
    "canonicalize", "scan_carry", "zeros", "hoist", "code_book", "cse", "dce",  "fuse_phase", "hoist",
    "advance",      "zeros",      "cse",   "dce",   "absorb",    "dce", "exit", "fuse"};

const Pass* find(std::string_view name) {
  const auto found = std::find_if(table.begin(), table.end(), [&](const Pass& p) { return p.name == name; });
  return found == table.end() ? nullptr : &*found;
}

const Pass& known(std::string_view name) {
  if (const Pass* pass = find(name)) return *pass;
  std::string names;
  for (const Pass& p : table) names += fmt::format(", {}", p.name);
  fail("passes: \"{}\" is not one; expected default, none{}", name, names);
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    words.push_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return words;
}

}  // namespace

std::span<const Pass> all_passes() { return table; }

PassSelection::PassSelection() {
  for (const Pass& pass : table) passes_.push_back(&pass);
}

PassSelection PassSelection::parse(std::string_view text) {
  std::array<bool, table.size()> chosen{};
  for (const std::string_view word : words_of(text)) {
    if (word == "default") {
      chosen.fill(true);
    } else if (word == "none") {
      chosen.fill(false);
    } else {
      const bool off = word.starts_with('-');
      chosen[static_cast<std::size_t>(&known(word.substr(off ? 1 : 0)) - table.data())] = !off;
    }
  }
  PassSelection selection;
  selection.passes_.clear();
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (chosen[i]) selection.passes_.push_back(&table[i]);
  }
  return selection;
}

bool PassSelection::contains(std::string_view name) const {
  return std::any_of(passes_.begin(), passes_.end(), [&](const Pass* p) { return p->name == name; });
}

Graph optimise(const Graph& graph, const PassOptions& options) {
  using Clock = std::chrono::steady_clock;
  Graph current = graph;
  for (const std::string_view name : order) {
    if (name != "canonicalize" && !options.selection.contains(name)) continue;
    const auto begin = Clock::now();
    Graph next = find(name)->run(current);
    PassRecord record{name, std::chrono::duration<double, std::milli>(Clock::now() - begin).count(),
                      !equal(current, next), current.op_count(), next.op_count()};
    if (!record.changed) continue;
    verify(next, Stage::optimised);
    current = std::move(next);
    if (options.observer) options.observer(record, current);
  }
  return current;
}

}  // namespace relaxon
