#include "runtime/program.hpp"

#include <array>

#include "core/error.hpp"
#include "passes/plan/plan.hpp"
#include "runtime/executor/executor.hpp"
#include "runtime/interpreter/interpreter.hpp"
#include "runtime/jit/library.hpp"

namespace relaxon {
namespace {

constexpr std::array<std::string_view, 3> backend_names{"interpreter", "kernels", "jit"};

}  // namespace

std::string_view name_of(Backend backend) { return backend_names.at(static_cast<std::size_t>(backend)); }

bool has_backend(Backend backend) { return backend != Backend::jit || jit::available(); }

std::optional<Backend> backend_named(std::string_view name) {
  for (std::size_t i = 0; i < backend_names.size(); ++i) {
    if (backend_names[i] == name) return static_cast<Backend>(i);
  }
  return std::nullopt;
}

std::unique_ptr<Program> compile(Graph lowered, const CompileOptions& options) {
  switch (options.backend) {
    case Backend::interpreter: return make_interpreter(std::move(lowered));
    case Backend::kernels:
    case Backend::jit: {
      const Isa isa = options.isa.value_or(best_isa());
      Plan plan = make_plan(optimise(lowered, {options.passes, {}}));
      ExecutorOptions how{options.team, options.statistics, options.profile, {}};
      if (options.backend == Backend::jit) {
        const auto library = options.library ? options.library : std::make_shared<jit::Library>();
        how.generated = library->compile(plan, isa, options.cache);
      }
      return make_executor(std::move(lowered), std::move(plan), isa, std::move(how));
    }
  }
  internal_error("unknown backend {}", static_cast<int>(options.backend));
}

std::unique_ptr<Program> compile(Graph lowered, Backend backend) {
  CompileOptions options;
  options.backend = backend;
  return compile(std::move(lowered), options);
}

}  // namespace relaxon
