// What each op computes from the values of its operands.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/pattern.hpp"
#include "core/tensor.hpp"
#include "ir/graph.hpp"
#include "runtime/bindings.hpp"

namespace relaxon::interpreter {

/// One op at the moment it runs.
struct Evaluation {
  const Graph& graph;
  const Op& op;
  std::vector<const Tensor*> operands;
  const std::vector<PatternPtr>& patterns;
  const Symbols& symbols;

  const Tensor& operand(std::size_t i) const { return *operands.at(i); }
  const Type& operand_type(std::size_t i) const { return graph.type(op.operands.at(i)); }
  const Type& result_type(std::size_t i = 0) const { return graph.type(op.results.at(i)); }
  template <class T>
  const T& attributes() const {
    return std::get<T>(op.attributes);
  }
  /// A zero-filled tensor of the type of result i.
  Tensor result(std::size_t i = 0) const;
  /// The connections of a sparse type; nullptr for others.
  const Pattern* pattern(const Type& type) const;
};

/// The shape of a value of `type`: symbols looked up, sparse weights as their entries.
Shape stored_shape(const Type& type, const Symbols& symbols, const std::vector<PatternPtr>& patterns);

/// The elements as float32 numbers (bytes unscaled).
std::vector<float> reals(const Tensor& tensor);
/// The elements of a pm1, tern or u8 value.
std::vector<std::int64_t> integers(const Tensor& tensor);

/// "edge 1-0: weight (3, 5)", for messages about entry e of a weight.
std::string describe_entry(const Evaluation& e, const std::optional<EdgeId>& edge, const Type& type, std::size_t entry);

/// Which entries of a weight never change: the diagonal of an offdiag or recurrent sparse weight, the self
/// couplings of an offdiag kernel. Empty: none.
std::vector<bool> fixed_entries(const Evaluation& e, const Type& type);

using Results = std::vector<Tensor>;

// data movement and conversions
Results constant(const Evaluation&);
Results zeros(const Evaluation&);
Results take(const Evaluation&);
Results slice(const Evaluation&);
Results affine(const Evaluation&);
Results gate(const Evaluation&);
Results subtract(const Evaluation&);
Results add(const Evaluation&);
Results to_fix(const Evaluation&);
Results to_f32(const Evaluation&);
Results hits(const Evaluation&);
// fields
Results message(const Evaluation&);
Results majority(const Evaluation&);
Results aggregate(const Evaluation&);
Results threshold(const Evaluation&);
Results advance(const Evaluation&);
// learning
Results update(const Evaluation&);
Results error(const Evaluation&);
Results correlate(const Evaluation&);
Results apply(const Evaluation&);

}  // namespace relaxon::interpreter
