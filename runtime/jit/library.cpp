#include "runtime/jit/library.hpp"

#include <fmt/format.h>

namespace relaxon::jit {
namespace {

/// Functions of several modules, which stay as long as this.
class SharedCode final : public Code {
 public:
  void add(const Operation& operation, std::shared_ptr<const Code> code, Function function) {
    functions_[text_of(operation)] = function;
    owners_.push_back(std::move(code));
  }
  Function find(const Operation& operation) const override {
    const auto found = functions_.find(text_of(operation));
    return found == functions_.end() ? nullptr : found->second;
  }

 private:
  std::map<std::string, Function> functions_;
  std::vector<std::shared_ptr<const Code>> owners_;
};

std::string key_of(Isa isa, const Operation& operation) {
  return fmt::format("{} {}", name_of(isa), text_of(operation));
}

}  // namespace

std::string origin_of(const CodeReport& report) {
  const std::string others = report.from_cache ? "found in the cache" : "compiled: " + report.why;
  if (report.made_before == 0) return others;
  if (report.made_before == report.functions) return "made before";
  return fmt::format("{} made before, the others {}", report.made_before, others);
}

Compiled Library::compile(const Plan& plan, Isa isa, const CodeCache& cache) {
  const std::lock_guard lock(mutex_);
  const std::vector<NamedOperation> all = named_operations(plan, isa);
  std::vector<NamedOperation> missing;
  for (const NamedOperation& one : all) {
    if (!functions_.contains(key_of(isa, one.operation))) missing.push_back(one);
  }
  Compiled result;
  if (!missing.empty() || all.empty()) result = jit::compile(missing, isa, cache);
  for (const NamedOperation& one : missing)
    functions_[key_of(isa, one.operation)] = {result.code, result.code->find(one.operation)};
  const auto code = std::make_shared<SharedCode>();
  for (const NamedOperation& one : all) {
    const Entry& entry = functions_.at(key_of(isa, one.operation));
    code->add(one.operation, entry.code, entry.function);
  }
  result.code = code;
  result.report.functions = static_cast<std::int64_t>(all.size());
  result.report.made_before = static_cast<std::int64_t>(all.size() - missing.size());
  result.report.left_out = left_out(plan, isa);
  return result;
}

}  // namespace relaxon::jit
