// The plan: what an optimised graph becomes before it runs. Linear steps over buffer slots; a value with a
// text form, like the graph.
//
// A slot is a place in memory with a storage; a step runs one kernel from slots to slots. The planner decides
// which values share a slot (in-place updates, carries), which kernel serves an op and why; the executor only
// follows.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/target.hpp"
#include "ir/graph.hpp"

namespace relaxon {

/// How a slot holds its value. Values with a batch axis lie batch-innermost, in panels of 16 samples
/// (runtime/kernels/kernels.hpp), except field_rows; the others as the interpreter has them.
enum class Storage : std::uint8_t {
  tensor,         // row-major, as bound
  signs,          // {-1, 0, 1}: two bit planes
  pair,           // two declared values: two bit planes
  bytes,          // u8
  reals,          // f32
  fields,         // exact integers: int32 while a bound holds, else int64
  field_rows,     // the same, a sample's units side by side, padded to 16
  partial_rows,   // Plan::threads times field_rows: they add up to the fields
  dense,          // weight f32 (d, K), rows padded to 16
  columns,        // sparse weight f32 by receiver
  dense_fixed,    // q of a dense weight, int32
  columns_fixed,  // q of a sparse weight, int32
};

/// What runs.
enum class Kernel : std::uint8_t {
  reference,     // any op, by the interpreter's function
  zero,          // fill with zeros
  copy,          // one slot to another of the same storage
  load,          // a bound tensor into panels or weights
  store,         // panels or weights into a tensor
  turn,          // fields by lane to fields by sample, and back
  slice,         // rows of an order
  take_row,      // one row of a table of step scalars
  gather,        // rows of a table, into panels
  gather_index,  // rows of a table of indices
  quantise,      // q of a weight
  exact,         // exact message, every sender
  real,          // float32 message; with a second output only of samples whose senders differ from that
  to_fields,     // float32 message -> field
  to_reals,      // field -> float32
  affine,        // a x + b of senders, as numbers
  sum,           // aggregate
  sign,          // aggregate, threshold{sign}
  margin,        // aggregate, error{perceptron}
  correlate,     // S
  subtract,      // the difference of two S
  apply,         // optimizer step from a stored S
  update,        // correlate, or two and their difference, apply: S is never stored
  advance,       // message(b) - message(a), by the senders that differ
  follow,        // advance of message(a), or a base + message(a): what differs, or all where that costs less
  hits,          // count right answers
  scan,          // iterate
  loop,          // batches
  probe,         // show a value
};

inline constexpr std::array<std::string_view, 12> storage_names{
    "tensor",     "signs",        "pair",  "bytes",   "reals",       "fields",
    "field_rows", "partial_rows", "dense", "columns", "dense_fixed", "columns_fixed"};
inline constexpr std::array<std::string_view, 29> kernel_names{
    "reference", "zero",         "copy",     "load",      "store",    "turn",      "slice",    "take_row",
    "gather",    "gather_index", "quantise", "exact",     "real",     "to_fields", "to_reals", "affine",
    "sum",       "sign",         "margin",   "correlate", "subtract", "apply",     "update",   "advance",
    "follow",    "hits",         "scan",     "loop",      "probe"};

/// Exact integers that lie by sample.
inline bool by_sample(Storage s) { return s == Storage::field_rows || s == Storage::partial_rows; }
/// Exact integers.
inline bool holds_fields(Storage s) { return s == Storage::fields || by_sample(s); }

/// Who runs a step where a team of threads runs the plan.
enum class Threads : std::uint8_t {
  one,      // the first thread: too little work to share, or no way to
  columns,  // each a panel of units
  senders,  // each the rows of a range of senders; of fields, its own partial_rows
  samples,  // loops: each a share of the batches
};

inline constexpr std::array<std::string_view, 4> threads_names{"one", "columns", "senders", "samples"};

using SlotId = Id<struct SlotTag>;

struct Slot {
  std::string name;
  Type type;  // of the first value it holds
  Storage storage = Storage::tensor;
  // Positions (in the order steps are printed) between which its contents matter.
  std::int32_t first = 0, last = 0;
  bool operator==(const Slot&) const = default;
};

struct Step {
  Kernel kernel = Kernel::reference;
  OpKind op = OpKind::zeros;  // the op it computes, or the last one of a region
  Attributes attributes;      // that op's
  Attributes region;          // attributes of the region's first op (update: correlate's), if it has several
  std::vector<SlotId> inputs, outputs;
  // scan, loop: inputs = count, then starts; outputs = carries; `arguments` = the index (loop), then carries;
  // `yielded` = what each iteration leaves for them.
  std::vector<SlotId> arguments, yielded;
  std::vector<Step> body;
  Threads threads = Threads::one;
  // follow: the whole message is computed from so many changed senders on: of a sample through a dense
  // weight, of a panel through a sparse one, the mean over the batch; 0: never.
  std::int64_t whole_from = 0;
  // quantise: updates of the weight (update, apply: their last output) leave q of what they write, and it
  // runs only where q is not the weight's as it stands.
  bool kept = false;
  std::string covers;  // values it computes, e.g. "%h1 %s1"
  std::string why;     // why this kernel
  bool operator==(const Step&) const = default;
};

struct Plan {
  struct Port {
    std::string name;
    SlotId slot;
    bool operator==(const Port&) const = default;
  };
  std::string name;
  int fixed_bits = 20;
  int threads = 1;  // it is made for so many; any number runs it
  std::vector<PatternDeclaration> patterns;
  std::vector<Slot> slots;
  std::vector<Port> bindings, results;
  std::vector<Step> steps;

  const Slot& slot(SlotId id) const { return slots.at(static_cast<std::size_t>(id.index)); }
  std::vector<std::string> pattern_names() const;
  bool operator==(const Plan&) const = default;
};

/// What a plan's choices are made for. None of them changes a bit of what the plan computes, so a plan made
/// for other batches, connections or machines is still right. The defaults give the same plan everywhere.
struct PlanOptions {
  Target target = {};
  std::int64_t batch = 16;
  std::map<std::string, std::int64_t> entries = {};  // connections, by the pattern's name; others: a tenth
};

/// Plans an optimised graph and verifies the plan (passes/plan/verify.hpp). Throws Error if the graph isn't
/// one.
Plan make_plan(const Graph& graph, const PlanOptions& options = {});

/// The weight of a message, whole or advanced, and what a follow's message lies on top of; invalid: nothing.
SlotId message_weight(const Step& step);
SlotId follow_base(const Step& step);

/// How many steps write a slot, carries of loops included.
int writers_of(const Plan& plan, SlotId slot);

/// The target of a margin step: of its inputs, after the messages if these are summed on the way, else before
/// the field.
SlotId margin_target(const Plan& plan, const Step& step);

/// Slots of the two sides of a correlation.
struct Correlated {
  SlotId u, v;
};
/// What S of an update step is made of: a correlation, or one and a second that is taken away from it.
std::vector<Correlated> correlations_of(const Step& update);

/// Text of a plan, and back; "parse(print(p)) == p".
std::string print(const Plan& plan);
/// What print() calls each slot, "%h1.2", in their order.
std::vector<std::string> slot_names(const Plan& plan);
Plan parse_plan(std::string_view text, std::string_view file);

/// Every step, those of bodies included, in the order they are printed.
void for_each_step(const std::vector<Step>& steps, const std::function<void(const Step&, int depth)>& visit);

}  // namespace relaxon
