// Machine code made for one plan.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/jit/cache.hpp"
#include "runtime/jit/operation.hpp"
#include "runtime/jit/report.hpp"

namespace relaxon::jit {

/// Functions and the memory they lie in. Not changed once made: any number of threads may call them.
class Code {
 public:
  virtual ~Code() = default;
  /// The function of an operation; null if none was made.
  virtual Function find(const Operation& operation) const = 0;
};

struct Compiled {
  std::shared_ptr<const Code> code;
  CodeReport report;
};

/// A function to be made: an operation under a name that says which step it is for.
struct NamedOperation {
  std::string name;
  Operation operation;
};
/// What is made for a plan: each operation once, named after the plan and the first step that has it, as in
/// "relaxon_train_r1_1_advance_rows".
std::vector<NamedOperation> named_operations(const Plan& plan, Isa isa);

/// The steps of a plan for which nothing is generated, each with its reason.
std::vector<std::string> left_out(const Plan& plan, Isa isa);

/// Generates the code of some operations, or finds it in the cache. Throws Error if this build can't.
Compiled compile(const std::vector<NamedOperation>& operations, Isa isa, const CodeCache& cache);

/// What is generated for some operations, as text.
enum class Emit : std::uint8_t { llvm, assembly };
std::string emit(const std::vector<NamedOperation>& operations, Isa isa, Emit form);

}  // namespace relaxon::jit
