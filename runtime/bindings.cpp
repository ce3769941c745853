#include "runtime/bindings.hpp"

#include "core/error.hpp"

namespace relaxon {
namespace {

void check_patterns(const Graph& graph, const Arguments& arguments) {
  if (arguments.patterns.size() != graph.patterns().size() || arguments.bindings.size() != graph.bindings().size()) {
    internal_error("graph {}: {} arguments and {} patterns are bound, it has {} and {}", graph.name(),
                   arguments.bindings.size(), arguments.patterns.size(), graph.bindings().size(), graph.patterns().size());
  }
  for (std::size_t i = 0; i < arguments.patterns.size(); ++i) {
    const PatternDeclaration& declared = graph.patterns()[i];
    if (!arguments.patterns[i]) fail("graph {}: pattern @{} is not bound", graph.name(), declared.name);
    const Pattern& bound = *arguments.patterns[i];
    if (bound.senders != declared.senders || bound.receivers != declared.receivers ||
        bound.fixed_diagonal != declared.fixed_diagonal) {
      fail("graph {}: pattern @{} has shape [{},{}], bound is [{},{}]", graph.name(), declared.name, declared.senders,
           declared.receivers, bound.senders, bound.receivers);
    }
  }
}

/// The shape a type is stored in, with the lengths that symbols have so far.
Dims expected_dims(const Type& type, const Symbols& symbols, const Arguments& arguments) {
  if (type.entries.kind == Entries::Kind::sparse) {
    return {arguments.patterns[static_cast<std::size_t>(type.entries.pattern.index)]->entries()};
  }
  Dims dims = type.dims;
  for (Dim& d : dims) {
    const std::int64_t length = symbols[static_cast<std::size_t>(d.symbol)];
    if (d.is_symbolic() && length > 0) d = length;
  }
  return dims;
}

void check_binding(const Graph& graph, const BindingAttributes& binding, const Arguments& arguments,
                   const TensorPtr& argument, Symbols& symbols) {
  if (!argument) fail("graph {}: \"{}\" is not bound", graph.name(), binding.name);
  const Dims expected = expected_dims(binding.type, symbols, arguments);
  bool fits = argument->shape().size() == expected.size();
  for (std::size_t axis = 0; fits && axis < expected.size(); ++axis) {
    const std::int64_t given = argument->shape()[axis];
    std::int64_t& length = symbols[static_cast<std::size_t>(expected[axis].symbol)];
    if (expected[axis].is_symbolic() && length == 0) length = given;
    fits = expected[axis].is_symbolic() ? given == length && given > 0 : given == expected[axis].length;
  }
  const DType dtype = stored_as(binding.type.elem);
  if (argument->dtype() != dtype || !fits) {
    fail("graph {}: \"{}\" must be {} {}, got {} {}", graph.name(), binding.name, name_of(dtype), to_string(expected),
         name_of(argument->dtype()), to_string(argument->shape()));
  }
}

}  // namespace

DType stored_as(Elem elem) {
  switch (elem) {
    case Elem::pm1:
    case Elem::tern: return DType::i8;
    case Elem::u8: return DType::u8;
    case Elem::two:
    case Elem::f32: return DType::f32;
    case Elem::fix:
    case Elem::i64: return DType::i64;
    case Elem::i32: return DType::i32;
  }
  internal_error("unknown element {}", static_cast<int>(elem));
}

Symbols check_arguments(const Graph& graph, const Arguments& arguments) {
  check_patterns(graph, arguments);
  Symbols symbols{};
  for (std::size_t i = 0; i < graph.bindings().size(); ++i) {
    check_binding(graph, graph.binding(i), arguments, arguments.bindings[i], symbols);
  }
  return symbols;
}

}  // namespace relaxon
