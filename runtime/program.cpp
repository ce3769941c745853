#include "runtime/program.hpp"

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "passes/plan/evaluation_batch.hpp"
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
Backend fastest_backend() { return has_backend(Backend::jit) ? Backend::jit : Backend::kernels; }

std::optional<Backend> backend_named(std::string_view name) {
  for (std::size_t i = 0; i < backend_names.size(); ++i) {
    if (backend_names[i] == name) return static_cast<Backend>(i);
  }
  return std::nullopt;
}

namespace {

/// Optimises; every pass that changed something is a stage, the others are one together.
Graph optimise_timed(const Graph& lowered, const PassSelection& passes, std::vector<StageTime>& stages) {
  StageClock clock;
  double changing = 0;
  const auto note = [&](const PassRecord& record, const Graph&) {
    stages.push_back({std::string(record.name), record.milliseconds});
    changing += record.milliseconds;
  };
  Graph optimised = optimise(lowered, {passes, note});
  stages.push_back({"other passes and checks", clock.lap() - changing});
  return optimised;
}

}  // namespace

std::unique_ptr<Program> compile(Graph lowered, const CompileOptions& options) {
  switch (options.backend) {
    case Backend::interpreter: {
      auto program = make_interpreter(std::move(lowered));
      // What it does with the weights of a batch is worth sharing by some images.
      constexpr std::int64_t interpreted_at_once = 64;
      program->set_batch(options.chooses_batch ? std::max(options.plan.batch, interpreted_at_once)
                                               : options.plan.batch);
      return program;
    }
    case Backend::kernels:
    case Backend::jit: {
      const Isa isa = options.isa.value_or(best_isa());
      PlanOptions made_for = options.plan;
      made_for.target.cores = options.team ? options.team->size() : 1;
      std::vector<StageTime> stages;
      const Graph optimised = optimise_timed(lowered, options.passes, stages);
      StageClock clock;
      if (options.chooses_batch) made_for.batch = evaluation_batch(optimised, made_for).images;
      Plan plan = make_plan(optimised, made_for);
      stages.push_back({"plan", clock.lap()});
      ExecutorOptions how{options.team, options.statistics, options.profile, {}};
      if (options.backend == Backend::jit) {
        const auto library = options.library ? options.library : std::make_shared<jit::Library>();
        how.generated = library->compile(plan, isa, options.cache);
        const std::vector<StageTime>& code = how.generated.report.stages;
        stages.insert(stages.end(), code.begin(), code.end());
        clock.lap();
      }
      auto program = make_executor(std::move(lowered), std::move(plan), isa, std::move(how));
      stages.push_back({"load", clock.lap()});
      program->set_stages(std::move(stages));
      program->set_batch(made_for.batch);
      return program;
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
