#include "runtime/interpreter/interpreter.hpp"

#include <bit>

#include "core/error.hpp"
#include "core/math.hpp"
#include "ir/op_info.hpp"
#include "runtime/bindings.hpp"
#include "runtime/interpreter/evaluate.hpp"

namespace relaxon {
namespace {

using interpreter::Evaluation;
using interpreter::Results;

using Evaluate = Results (*)(const Evaluation&);

/// The function of each op without a body, by kind.
Evaluate function_of(OpKind kind) {
  namespace in = interpreter;
  switch (kind) {
    case OpKind::constant: return in::constant;
    case OpKind::zeros: return in::zeros;
    case OpKind::take: return in::take;
    case OpKind::slice: return in::slice;
    case OpKind::affine: return in::affine;
    case OpKind::gate: return in::gate;
    case OpKind::subtract: return in::subtract;
    case OpKind::add: return in::add;
    case OpKind::to_fix: return in::to_fix;
    case OpKind::to_f32: return in::to_f32;
    case OpKind::message: return in::message;
    case OpKind::majority: return in::majority;
    case OpKind::aggregate: return in::aggregate;
    case OpKind::threshold: return in::threshold;
    case OpKind::update: return in::update;
    case OpKind::error: return in::error;
    case OpKind::correlate: return in::correlate;
    case OpKind::apply: return in::apply;
    case OpKind::advance: return in::advance;
    case OpKind::hits: return in::hits;
    default: internal_error("{} has no function of its own", info(kind).name);
  }
}

/// One run of a graph.
class Run {
 public:
  Run(const Graph& graph, const Arguments& arguments, const ProbeSink& probes)
      : graph_(graph), arguments_(arguments), probes_(probes), values_(graph.value_count()) {}

  std::vector<TensorPtr> run() {
    symbols_ = check_arguments(graph_, arguments_);
    for (std::size_t i = 0; i < graph_.bindings().size(); ++i) {
      value(graph_.op(graph_.bindings()[i]).results[0]) = arguments_.bindings[i];
    }
    block(graph_.body());
    return operands_of(graph_.terminator(graph_.body()));
  }

 private:
  TensorPtr& value(ValueId id) { return values_[static_cast<std::size_t>(id.index)]; }

  void block(BlockId id) {
    for (const OpId op : graph_.block(id).ops) evaluate(graph_.op(op));
  }

  void evaluate(const Op& op) {
    switch (op.kind) {
      case OpKind::input:
      case OpKind::param:
      case OpKind::yield:
      case OpKind::ret: return;
      case OpKind::scan: return scan(op);
      case OpKind::loop: return loop(op);
      case OpKind::fuse: return fuse(op);
      case OpKind::probe: return probe(op);
      default: break;
    }
    Evaluation e{graph_, op, {}, arguments_.patterns, symbols_};
    for (const ValueId operand : op.operands) {
      check_batch(op, operand);
      e.operands.push_back(value(operand).get());
    }
    Results results = function_of(op.kind)(e);
    for (std::size_t i = 0; i < results.size(); ++i) {
      value(op.results[i]) = std::make_shared<const Tensor>(std::move(results[i]));
    }
    // The rows of a slice are the batch from here on.
    if (op.kind == OpKind::slice) symbols_['B'] = value(op.results[0])->size();
  }

  /// A value of an earlier batch doesn't fit this one once a slice has changed the batch's length.
  void check_batch(const Op& op, ValueId operand) {
    const Shape expected = interpreter::stored_shape(graph_.type(operand), symbols_, arguments_.patterns);
    if (value(operand)->shape() != expected) {
      fail("{}: {} has shape {}; the batch at hand asks for {}", info(op.kind).name, graph_.describe(operand),
           to_string(value(operand)->shape()), to_string(expected));
    }
  }

  std::int64_t iterations(const Op& op) {
    const std::int32_t n = value(op.operands[0])->data<std::int32_t>()[0];
    if (n < 0) fail("{}: {} iterations; expected at least 0", info(op.kind).name, n);
    return n;
  }

  std::vector<TensorPtr> operands_of(const Op& op) {
    std::vector<TensorPtr> operands;
    for (const ValueId id : op.operands) operands.push_back(value(id));
    return operands;
  }

  /// Carries start as operands 1.. of a loop and become what its body yields.
  template <class Body>
  void iterate(const Op& op, std::size_t first_argument, Body&& unchanged) {
    const Block& body = graph_.block(*op.body);
    std::vector<TensorPtr> carried = operands_of(op);
    carried.erase(carried.begin());
    const std::int64_t n = iterations(op);
    for (std::int64_t i = 0; i < n; ++i) {
      loops_.push_back(i);
      if (first_argument == 1) value(body.arguments[0]) = std::make_shared<const Tensor>(Tensor::scalar(static_cast<std::int32_t>(i)));
      for (std::size_t c = 0; c < carried.size(); ++c) value(body.arguments[first_argument + c]) = carried[c];
      block(*op.body);
      loops_.pop_back();
      std::vector<TensorPtr> yielded = operands_of(graph_.terminator(*op.body));
      for (std::size_t c = 0; c < yielded.size(); ++c) yielded[c] = widened(yielded[c], graph_.type(op.results[c]));
      const bool stop = unchanged(carried, yielded);
      carried = std::move(yielded);
      if (stop) break;
    }
    for (std::size_t c = 0; c < carried.size(); ++c) value(op.results[c]) = carried[c];
  }

  /// A yielded value as its carry stores it: pm1 and tern within f32 become float32.
  TensorPtr widened(const TensorPtr& tensor, const Type& type) {
    if (tensor->dtype() == stored_as(type.elem)) return tensor;
    return std::make_shared<const Tensor>(Tensor::of<float>(tensor->shape(), interpreter::reals(*tensor)));
  }

  void scan(const Op& op) {
    const std::vector<std::int32_t>& watched = std::get<ScanAttributes>(op.attributes).until_unchanged;
    iterate(op, 0, [&](const std::vector<TensorPtr>& before, const std::vector<TensorPtr>& after) {
      for (const std::int32_t c : watched) {
        if (!(*before[static_cast<std::size_t>(c)] == *after[static_cast<std::size_t>(c)])) return false;
      }
      return !watched.empty();
    });
  }

  void loop(const Op& op) {
    iterate(op, 1, [](const auto&, const auto&) { return false; });
  }

  void fuse(const Op& op) {
    block(*op.body);
    const std::vector<TensorPtr> yielded = operands_of(graph_.terminator(*op.body));
    for (std::size_t i = 0; i < yielded.size(); ++i) value(op.results[i]) = yielded[i];
  }

  void probe(const Op& op) {
    if (probes_) probes_(std::get<NamesAttributes>(op.attributes).names[0], loops_, *value(op.operands[0]));
  }

  const Graph& graph_;
  const Arguments& arguments_;
  const ProbeSink& probes_;
  std::vector<TensorPtr> values_;
  Symbols symbols_{};
  std::vector<std::int64_t> loops_;
};

class Interpreter final : public Program {
 public:
  using Program::Program;

  std::vector<TensorPtr> run(const Arguments& arguments, const ProbeSink& probes) override {
    const FlushToZero mode;
    return Run(graph(), arguments, probes).run();
  }
};

}  // namespace

std::unique_ptr<Program> make_interpreter(Graph graph) { return std::make_unique<Interpreter>(std::move(graph)); }

}  // namespace relaxon
