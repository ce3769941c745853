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

/// Generates, or finds in the cache, code for every step of a plan that has operations. Throws Error if this
/// build can't.
struct Compiled {
  std::shared_ptr<const Code> code;
  CodeReport report;
};
Compiled compile(const Plan& plan, Isa isa, const CodeCache& cache);

/// A function to be made: an operation under a name that says which step it is for.
struct NamedOperation {
  std::string name;
  Operation operation;
};
/// What compile() makes for a plan: each operation once, named after the first step that has it.
std::vector<NamedOperation> named_operations(const Plan& plan, Isa isa);

/// The steps of a plan for which nothing is generated, each with its reason.
std::vector<std::string> left_out(const Plan& plan, Isa isa);

/// The code of some operations.
Compiled compile(const std::vector<NamedOperation>& operations, Isa isa, const CodeCache& cache);

/// What is generated for some operations, as text.
enum class Emit : std::uint8_t { llvm, assembly };
std::string emit(const std::vector<NamedOperation>& operations, Isa isa, Emit form);

}  // namespace relaxon::jit
