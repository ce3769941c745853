// What steps that run generated functions share. Each keeps the kernel table's step beside it, for what no
// function is generated for: int64 fields, numbers that don't fit (to name them).
#pragma once

#include <array>

#include "runtime/executor/step.hpp"

namespace relaxon::executor {

using jit::Function;

inline void* pointer(const void* p) { return const_cast<void*>(p); }

/// The operands of one call.
class Operands {
 public:
  Operands(std::initializer_list<void*> pointers) {
    for (void* p : pointers) add(p);
  }
  void add(void* p) { pointers_.at(count_++) = p; }
  void* const* data() const { return pointers_.data(); }

 private:
  std::array<void*, 40> pointers_;
  std::size_t count_ = 0;
};

/// A step with one function, beside the kernel table's.
class GeneratedStep : public Runnable {
 public:
  GeneratedStep(const Step& step, Function function, std::unique_ptr<Runnable> table)
      : function_(function), inputs_(step.inputs), outputs_(step.outputs), table_(std::move(table)) {}

  Sharing sharing() const override { return table_->sharing(); }
  void run(Context& c, ThreadPart part) final {
    if (!call(c, part)) table_->run(c, part);
  }
  bool finishes() const override { return table_->finishes(); }
  void finish(Context& c) override { table_->finish(c); }

 protected:
  /// Runs the function; false: the table's step must run. The same for all parts, or numbers that don't fit.
  virtual bool call(Context& c, ThreadPart part) = 0;

  std::int64_t invoke(const Context& c, const Operands& operands, Units units) const {
    return function_(operands.data(), c.frame.batch, units.begin, units.end);
  }

  Function function_;
  std::vector<SlotId> inputs_, outputs_;
  std::unique_ptr<Runnable> table_;
};

/// Steps that compute messages; null for others.
std::unique_ptr<Runnable> make_generated_message(const Step& step, Context& context,
                                                 const std::vector<jit::Operation>& operations,
                                                 std::unique_ptr<Runnable>& table);

}  // namespace relaxon::executor
