#include "ir/op_info.hpp"

#include <array>

#include "core/error.hpp"
#include "ir/typing.hpp"

namespace relaxon {
namespace {

/// Position of an alternative in Attributes.
template <class T, std::size_t I = 0>
constexpr std::size_t carries() {
  if constexpr (std::is_same_v<std::variant_alternative_t<I, Attributes>, T>) {
    return I;
  } else {
    return carries<T, I + 1>();
  }
}

constexpr std::size_t nothing = carries<std::monostate>();
constexpr int any = -1;

using K = OpKind;
constexpr std::array<OpInfo, 28> table{{
    // kind, name, operands, traits, attributes, typing rule
    {K::input, "input", 0, 0, trait::source | trait::effect, carries<BindingAttributes>(), typing::binding},
    {K::param, "param", 0, 0, trait::source | trait::effect, carries<BindingAttributes>(), typing::binding},
    {K::constant, "const", 0, 0, trait::source, carries<ConstantAttributes>(), typing::constant},
    {K::zeros, "zeros", 0, 0, trait::source, carries<TypeAttributes>(), typing::zeros},
    {K::take, "take", 2, 2, 0, nothing, typing::take},
    {K::slice, "slice", 3, 3, 0, nothing, typing::slice},
    {K::affine, "affine", 3, 3, trait::rows, nothing, typing::affine},
    {K::gate, "gate", 2, 2, trait::rows | trait::linear, nothing, typing::gate},
    {K::subtract, "subtract", 2, 2, 0, nothing, typing::subtract},
    {K::add, "add", 2, 2, 0, nothing, typing::add},
    {K::to_fix, "to_fix", 1, 1, trait::rows | trait::linear, nothing, typing::to_fix},
    {K::to_f32, "to_f32", 1, 1, trait::rows | trait::linear, nothing, typing::to_f32},
    {K::message, "message", 2, 2, trait::rows | trait::linear, carries<MessageAttributes>(), typing::message},
    {K::majority, "majority", 1, 1, trait::rows, carries<WindowAttributes>(), typing::majority},
    {K::aggregate, "aggregate", 1, any, trait::rows, nothing, typing::aggregate},
    {K::threshold, "threshold", 1, 1, trait::rows, carries<ThresholdAttributes>(), typing::threshold},
    {K::update, "update", 3, 5, trait::linear, carries<UpdateAttributes>(), typing::update},
    {K::error, "error", 2, 4, trait::rows, carries<ErrorAttributes>(), typing::error},
    {K::correlate, "correlate", 2, 2, trait::linear, carries<CorrelateAttributes>(), typing::correlate},
    {K::apply, "apply", 3, 5, 0, carries<ApplyAttributes>(), typing::apply},
    {K::advance, "advance", 4, 4, trait::rows, carries<MessageAttributes>(), typing::advance},
    {K::hits, "hits", 3, 3, 0, nothing, typing::hits},
    {K::scan, "scan", 1, any, trait::region, carries<ScanAttributes>(), typing::scan},
    {K::loop, "for", 1, any, trait::region, nothing, typing::loop},
    {K::fuse, "fuse", 0, 0, trait::region, nothing, typing::fuse},
    {K::probe, "probe", 1, 1, trait::effect, carries<NamesAttributes>(), typing::probe},
    {K::yield, "yield", 0, any, trait::terminator, nothing, typing::none},
    {K::ret, "return", 0, any, trait::terminator, carries<NamesAttributes>(), typing::ret},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (static_cast<std::size_t>(table[i].kind) != i) return false;
  }
  return true;
}
static_assert(in_order(), "rows of the table stand in the order of OpKind");

std::string arity(const OpInfo& op) {
  if (op.max_operands == any) return fmt::format("at least {}", op.min_operands);
  if (op.min_operands == op.max_operands) return fmt::format("{}", op.min_operands);
  return fmt::format("{} to {}", op.min_operands, op.max_operands);
}

}  // namespace

const OpInfo& info(OpKind kind) { return table.at(static_cast<std::size_t>(kind)); }

std::span<const OpInfo> all_ops() { return table; }

std::optional<OpKind> op_named(std::string_view name) {
  for (const OpInfo& op : table) {
    if (op.name == name) return op.kind;
  }
  return std::nullopt;
}

std::vector<Type> infer_types(OpKind kind, const TypingContext& context) {
  const OpInfo& op = info(kind);
  const int given = static_cast<int>(context.operands.size());
  if (given < op.min_operands || (op.max_operands != any && given > op.max_operands)) {
    fail("{}: takes {} operands, got {}", op.name, arity(op), given);
  }
  if (context.attributes->index() != op.attributes) {
    internal_error("{}: carries attributes {}, got {}", op.name, op.attributes, context.attributes->index());
  }
  try {
    return op.types(context);
  } catch (const Error& e) {
    fail("{}: {}", op.name, e.what());
  }
}

}  // namespace relaxon
