// A graph made ready to run by a backend.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "core/options.hpp"
#include "core/pattern.hpp"
#include "core/tensor.hpp"
#include "ir/graph.hpp"
#include "passes/pipeline.hpp"
#include "passes/plan/plan.hpp"
#include "runtime/jit/cache.hpp"
#include "runtime/jit/report.hpp"
#include "runtime/kernels/kernels.hpp"
#include "runtime/profile.hpp"
#include "runtime/run_statistics.hpp"
#include "runtime/stage_time.hpp"
#include "runtime/thread_team.hpp"

namespace relaxon::jit {
class Library;
}

namespace relaxon {

/// interpreter: the reference, runs the graph as it is. kernels: optimises, plans and runs the plan. jit: the
/// same, with functions compiled for the plan's own shapes.
enum class Backend : std::uint8_t { interpreter, kernels, jit };

std::string_view name_of(Backend backend);
/// Whether this build has it.
bool has_backend(Backend backend);
/// The fastest backend of this build: jit, or without LLVM kernels.
Backend fastest_backend();
std::optional<Backend> backend_named(std::string_view name);

/// Called for every probe op as it runs, with the indices of the loops around it, outermost first.
using ProbeSink = std::function<void(std::string_view name, const std::vector<std::int64_t>& iterations,
                                     const Tensor& value)>;

/// What a run reads: one tensor per binding of the graph, in its order, and the connections of its patterns.
///
/// Stored types: pm1 and tern i8, two and f32 f32, u8 u8, fix and i64 i64, i32 i32. A sparse weight is its
/// entries, in pattern order. The length of the batch axis is that of what is bound.
struct Arguments {
  std::vector<TensorPtr> bindings;
  std::vector<PatternPtr> patterns;
};

class Program {
 public:
  explicit Program(Graph graph) : graph_(std::move(graph)) {}
  virtual ~Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  const Graph& graph() const { return graph_; }
  /// How its machine code came about; null if none was generated.
  virtual const jit::CodeReport* code_report() const { return nullptr; }
  /// How long making it took, stage by stage.
  const std::vector<StageTime>& stages() const { return stages_; }
  void set_stages(std::vector<StageTime> stages) { stages_ = std::move(stages); }
  /// The batch that it was made for; it runs any.
  std::int64_t batch() const { return batch_; }
  void set_batch(std::int64_t batch) { batch_ = batch; }
  /// Runs once; the results in the order of the return op. Checks the arguments' types and shapes first.
  virtual std::vector<TensorPtr> run(const Arguments& arguments, const ProbeSink& probes = {}) = 0;
  /// What happened in all runs since clear_statistics(); null unless CompileOptions asked, and for the
  /// interpreter.
  virtual const RunStatistics* statistics() const { return nullptr; }
  virtual void clear_statistics() {}

 private:
  Graph graph_;
  std::vector<StageTime> stages_;
  std::int64_t batch_ = 1;
};

struct CompileOptions {
  Backend backend = Backend::kernels;
  PassSelection passes = {};
  std::optional<Isa> isa = {};            // default: the fastest of this machine
  std::shared_ptr<ThreadTeam> team = {};  // default: the caller's thread alone
  bool statistics = false;                // count what happens
  std::shared_ptr<Profile> profile = {};  // time each step
  jit::CodeCache cache{code_cache_folder()};
  PlanOptions plan = {};  // what plans are made for; the team's threads, or one, replace its cores
  // An evaluation: plan for the batch that passes/plan/evaluation_batch.hpp chooses, at least plan.batch.
  bool chooses_batch = false;
  std::shared_ptr<jit::Library> library = {};  // functions that programs share; default: none do
};

/// Makes a lowered graph ready to run. Every choice of options gives the same bits.
std::unique_ptr<Program> compile(Graph lowered, const CompileOptions& options);
std::unique_ptr<Program> compile(Graph lowered, Backend backend);

}  // namespace relaxon
