#include <fmt/format.h>

#include <set>

#include "core/error.hpp"
#include "runtime/jit/code.hpp"

namespace relaxon::jit {
namespace {

/// Letters, digits and underscores: "train %weight/1-0 %v78" -> "train_weight_1_0_v78".
std::string symbol_of(const std::string& covers) {
  std::string symbol;
  for (const char c : covers) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (plain) symbol += c;
    if (!plain && c != '%' && !symbol.empty() && symbol.back() != '_') symbol += '_';
  }
  return symbol;
}

}  // namespace

std::vector<NamedOperation> named_operations(const Plan& plan, Isa isa) {
  std::vector<NamedOperation> all;
  std::set<std::string> known, names;
  for_each_step(plan.steps, [&](const Step& step, int) {
    for (const Operation& operation : operations_of(step, plan, isa).operations) {
      const std::string text = text_of(operation);
      if (!known.insert(text).second) continue;
      const std::string kind = text.substr(0, text.find(' '));
      const std::string symbol = symbol_of(fmt::format("relaxon {} {} {}", plan.name, step.covers, kind));
      std::string name = symbol;
      for (int i = 2; !names.insert(name).second; ++i) name = fmt::format("{}_{}", symbol, i);
      all.push_back({name, operation});
    }
  });
  return all;
}

std::vector<std::string> left_out(const Plan& plan, Isa isa) {
  std::vector<std::string> all;
  for_each_step(plan.steps, [&](const Step& step, int) {
    const Generated generated = operations_of(step, plan, isa);
    if (!generated.why_not.empty()) all.push_back(fmt::format("{}: {}", step.covers, generated.why_not));
  });
  return all;
}

}  // namespace relaxon::jit
