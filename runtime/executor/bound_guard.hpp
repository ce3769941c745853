// Decides whether fields fit int32 (semantics: section 10).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "passes/plan/plan.hpp"
#include "runtime/executor/memory.hpp"

namespace relaxon::executor {

/// Watches every sum of messages of a plan. The largest a message can get is the largest column of |W|, of
/// its positive or negative weights where no input is below 0, times the largest input, plus what the updates
/// since the columns were added up can have added; an update reports its largest growth, so this costs
/// nothing until the bound is met. Then the columns are added up again, and if the sums still don't fit, the
/// next steps run on int64.
class BoundGuard {
 public:
  explicit BoundGuard(const Plan& plan);

  /// Bindings are others from here on; tables are made again.
  void start_run();
  /// The weight in `slot` was written anew.
  void weight_loaded(SlotId slot);
  /// An update changed the weight in `slot`; no entry grew by more than `growth` in magnitude.
  void weight_changed(SlotId slot, float growth);
  /// The largest |x| of the table or input that `slot` is bound to.
  void set_largest(SlotId slot, double largest);

  /// Whether every field of the batch that follows is below 2^30 in magnitude.
  bool fits_int32(const Memory& memory);

  /// How often the columns had to be added up to know.
  std::int64_t checks() const { return checks_; }

  /// Bindings whose largest value matters: real-valued inputs.
  const std::vector<SlotId>& watched_bindings() const { return watched_; }

 private:
  /// Where numbers lie: from `low` to `high`, and beyond either by up to `spread` times the largest of an
  /// input.
  struct Range {
    double low = 0, high = 0;
    SlotId input;  // real-valued; without one spread is 0
    double spread = 0;
    bool operator==(const Range&) const = default;
  };
  /// A message: a weight's columns times the largest input, or the values of a table.
  struct Term {
    SlotId weight, table;
    Range x{-1, 1, {}, 0};
    bool operator==(const Term&) const = default;
  };
  struct Columns {
    double largest = 0;    // of sum_j |W_jk|, when it was last added up
    double one_sign = 0;   // of the same over weights of one sign
    double drift = 0;      // what updates can have added to an entry since
    bool changed = false;  // by updates since
    bool stale = true;
  };

  void follow(const std::vector<Step>& steps);
  void follow(const Step& step);
  void add(SlotId to, const Term& term);
  std::optional<Range> range_of(SlotId x) const;
  void follow_affine(const Step& step);
  void follow_real(const Step& step);
  void join(SlotId to, SlotId from);
  void find_growing_sums();
  void check_advances();
  void check_updates(const std::vector<Step>& steps);
  double table_bound(SlotId slot, const Memory& memory);
  static Columns largest_columns(const Place& weight);
  double bound(const Term& term, const Memory& memory, bool exact);
  double bound(SlotId field, const Memory& memory, bool exact);

  const Plan& plan_;
  std::vector<std::vector<Term>> terms_;      // of each fields slot: whatever it may hold
  std::vector<std::vector<SlotId>> parts_;    // of each fields slot: the messages it is a sum of
  std::vector<std::vector<SlotId>> held_;     // of each fields slot: sums that it may hold instead
  std::vector<SlotId> bases_;                 // of each fields slot: what lies below all that it may hold
  std::vector<std::vector<SlotId>> sums_;     // slots that are added up together
  std::vector<SlotId> source_;                // of q slots: the weight; of panels: the binding they come from
  std::vector<std::optional<Range>> ranges_;  // of slots of numbers that the plan makes, where it tells
  std::vector<bool> anywhere_;                // of carried slots of numbers: iterations take them elsewhere
  std::vector<Columns> columns_;              // of weight slots
  std::vector<double> largest_;               // of bindings
  std::vector<SlotId> watched_;
  bool unknown_ = false;  // a field of unknown size: always int64
  std::int64_t checks_ = 0;
  int wait_ = 0;  // batches until a failed check is repeated
};

}  // namespace relaxon::executor
