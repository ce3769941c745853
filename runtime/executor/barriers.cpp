#include "runtime/executor/barriers.hpp"

#include <algorithm>

namespace relaxon::executor {
namespace {

/// The accesses of one step that threads share.
class SharedAccesses {
 public:
  SharedAccesses(const Plan& plan, const Step& step) : plan_(plan), step_(step) {}

  std::vector<Access> run() {
    add(frame_slot, Reach::all, false);
    switch (step_.kernel) {
      case Kernel::zero:
      case Kernel::to_fields:
      case Kernel::sum:
      case Kernel::sign:
      case Kernel::margin: own_units(); break;
      case Kernel::copy: copies(); break;
      case Kernel::exact:
      case Kernel::advance:
      case Kernel::follow: message(); break;
      case Kernel::real: reals(); break;
      case Kernel::gather:
        reads(step_.inputs);
        writes(step_.outputs, Reach::units);
        break;
      case Kernel::update: update(); break;
      default: {
        reads(step_.inputs);
        writes(step_.outputs, Reach::all);
      }
    }
    return std::move(accesses_);
  }

 private:
  Storage storage(SlotId slot) const { return plan_.slot(slot).storage; }
  void add(SlotId slot, Reach reach, bool writes) { accesses_.push_back({slot, reach, writes}); }
  void reads(const std::vector<SlotId>& slots) {
    for (const SlotId slot : slots) add(slot, Reach::all, false);
  }
  void writes(const std::vector<SlotId>& slots, Reach reach) {
    for (const SlotId slot : slots) add(slot, reach, true);
  }

  /// A part of a value that lies by units, or of partial rows.
  Reach part(SlotId slot) const {
    return storage(slot) == Storage::partial_rows ? Reach::shares : Reach::units;
  }

  /// From units to the same units; all shares of partial rows are added up.
  void own_units() {
    for (const SlotId slot : step_.inputs) {
      const bool whole = storage(slot) == Storage::partial_rows || storage(slot) == Storage::tensor;
      add(slot, whole ? Reach::all : Reach::units, false);
    }
    for (const SlotId slot : step_.outputs) add(slot, part(slot), true);
  }

  void copies() {
    const SlotId from = step_.inputs[0], to = step_.outputs[0];
    add(from, storage(from) == storage(to) ? part(from) : Reach::all, false);
    add(to, part(to), true);
  }

  void message() {
    const SlotId weight = message_weight(step_), base = follow_base(step_), field = step_.outputs[0];
    for (const SlotId slot : step_.inputs) {
      if (slot != weight && slot != base && slot != field) add(slot, Reach::all, false);
    }
    add(weight, is_dense(weight) ? Reach::shares : Reach::units, false);
    if (base.index >= 0) add(base, storage(base) == storage(field) ? part(base) : Reach::all, false);
    add(field, part(field), true);
  }

  void reals() {
    add(step_.inputs[0], Reach::all, false);
    add(step_.inputs[1], is_dense(step_.inputs[1]) ? Reach::all : Reach::units, false);
    add(step_.outputs[0], Reach::units, true);
    for (std::size_t i = 1; i < step_.outputs.size(); ++i) add(step_.outputs[i], Reach::all, true);
  }

  void update() {
    const Reach own = is_dense(step_.inputs[0]) ? Reach::senders : Reach::units;
    for (const SlotId slot : step_.inputs) {
      if (std::count(step_.outputs.begin(), step_.outputs.end(), slot) == 0) add(slot, Reach::all, false);
    }
    writes(step_.outputs, own);
  }

  bool is_dense(SlotId weight) const {
    return storage(weight) == Storage::dense || storage(weight) == Storage::dense_fixed;
  }

  const Plan& plan_;
  const Step& step_;
  std::vector<Access> accesses_;
};

/// What for_each_stretch() gives to each thread.
Reach stretches_of(Storage storage) {
  switch (storage) {
    case Storage::tensor: return Reach::first;
    case Storage::partial_rows: return Reach::shares;
    case Storage::signs:
    case Storage::pair:
    case Storage::bytes:
    case Storage::reals:
    case Storage::fields:
    case Storage::field_rows: return Reach::units;
    default: return Reach::all;
  }
}

}  // namespace

std::vector<Access> accesses_of(const Plan& plan, const Step& step, std::int32_t position) {
  if (step.threads == Threads::columns || step.threads == Threads::senders) {
    std::vector<Access> accesses = SharedAccesses(plan, step).run();
    accesses.push_back({parts_slot(position), Reach::units, true});
    return accesses;
  }
  std::vector<Access> accesses;
  for (const SlotId slot : step.inputs) accesses.push_back({slot, Reach::first, false});
  for (const SlotId slot : step.outputs) accesses.push_back({slot, Reach::first, true});
  if (step.kernel == Kernel::slice) accesses.push_back({frame_slot, Reach::first, true});
  return accesses;
}

LoopAccesses accesses_of_loop(const Plan& plan, const Step& loop) {
  const Access reads_frame{frame_slot, Reach::all, false};
  // Every thread reads how often it runs.
  LoopAccesses a{{{loop.inputs[0], Reach::all, false}}, {}, {reads_frame}, {}};
  if (loop.kernel == Kernel::loop) {
    a.begin = {{frame_slot, Reach::first, true}, {loop.arguments[0], Reach::first, true}};
    // The guard looks at weights.
    for (const SlotId carry : loop.outputs) a.begin.push_back({carry, Reach::first, false});
  }
  for (std::size_t k = 0; k < loop.outputs.size(); ++k) {
    const SlotId start = loop.inputs[k + 1], carry = loop.outputs[k], yielded = loop.yielded[k];
    if (start != carry) {
      a.start.push_back({start, Reach::first, false});
      a.start.push_back({carry, Reach::first, true});
    }
    if (yielded == carry) continue;
    const Reach reach = stretches_of(plan.slot(carry).storage);
    a.carry.push_back({yielded, reach, false});
    a.carry.push_back({carry, reach, true});
  }
  if (!a.carry.empty()) a.carry.push_back(reads_frame);
  if (const auto* scan = std::get_if<ScanAttributes>(&loop.attributes)) {
    for (const std::int32_t k : scan->until_unchanged) {
      const SlotId carry = loop.outputs[static_cast<std::size_t>(k)];
      const Reach reach = stretches_of(plan.slot(carry).storage);
      a.look.push_back({carry, reach, false});
      a.look.push_back({loop.yielded[static_cast<std::size_t>(k)], reach, false});
    }
  }
  a.start.insert(a.start.end(), a.begin.begin(), a.begin.end());
  return a;
}

bool Barriers::next(const std::vector<Access>& accesses, SlotId finishes) {
  const bool waits = std::any_of(accesses.begin(), accesses.end(), [&](const Access& own) {
    return std::any_of(pending_.begin(), pending_.end(),
                       [&](const Access& other) { return conflict(own, other); });
  });
  if (waits) met();
  add(accesses);
  if (finishes.index < -1) unfinished_.insert(finishes);
  return waits;
}

void Barriers::met() {
  pending_.clear();
  for (const SlotId parts : unfinished_) pending_.insert({parts, Reach::first, true});
  unfinished_.clear();
}

void Barriers::add(const std::vector<Access>& accesses) {
  pending_.insert(accesses.begin(), accesses.end());
}

void Barriers::add(const Barriers& other) {
  pending_.insert(other.pending_.begin(), other.pending_.end());
  unfinished_.insert(other.unfinished_.begin(), other.unfinished_.end());
}

bool Barriers::conflict(const Access& a, const Access& b) const {
  if (!a.writes && !b.writes) return false;
  if (a.reach == Reach::first && b.reach == Reach::first) return false;
  if (a.slot != b.slot) return memory_->overlap(a.slot, b.slot);
  if (a.reach == Reach::all || a.reach == Reach::first) return true;
  const auto rows = [](Reach reach) { return reach == Reach::shares || reach == Reach::senders; };
  return a.reach != b.reach && !(shares_are_senders_ && rows(a.reach) && rows(b.reach));
}

}  // namespace relaxon::executor
