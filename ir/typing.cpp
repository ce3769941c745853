#include "ir/typing.hpp"

#include <cmath>

#include "core/error.hpp"
#include "ir/lexer.hpp"
#include "ir/maps.hpp"

namespace relaxon {

int margins_of(Rule rule) {
  switch (rule) {
    case Rule::softmax: return 0;
    case Rule::truncated: return 2;
    case Rule::perceptron:
    case Rule::strict:
    case Rule::tanh: return 1;
  }
  internal_error("unknown rule {}", static_cast<int>(rule));
}

int moments_of(ApplyRule rule) {
  switch (rule) {
    case ApplyRule::sgd: return 0;
    case ApplyRule::momentum:
    case ApplyRule::nesterov: return 1;
    case ApplyRule::adam:
    case ApplyRule::adamw: return 2;
  }
  internal_error("unknown optimizer rule {}", static_cast<int>(rule));
}

int scalars_of(ApplyRule rule) {
  switch (rule) {
    case ApplyRule::sgd: return 2;
    case ApplyRule::momentum:
    case ApplyRule::nesterov: return 4;
    case ApplyRule::adam: return 9;
    case ApplyRule::adamw: return 10;
  }
  internal_error("unknown optimizer rule {}", static_cast<int>(rule));
}

namespace typing {
namespace {

template <class T>
const T& attributes(const TypingContext& c) {
  return std::get<T>(*c.attributes);
}

std::string text(const TypingContext& c, const Type& type) {
  std::vector<std::string> names;
  for (const PatternDeclaration& p : *c.patterns) names.push_back(p.name);
  return to_string(type, names);
}

std::string text(const TypingContext& c, std::size_t operand) { return text(c, c.operands.at(operand)); }

void check_elem(const TypingContext& c, std::size_t operand, Elem elem, std::string_view what) {
  if (c.operands[operand].elem != elem) fail("{} must be {}, got {}", what, name_of(elem), text(c, operand));
}

void check_scalar(const TypingContext& c, std::size_t operand, Elem elem, std::string_view what) {
  if (c.operands[operand] != make_type(elem, {})) fail("{} must be {}[], got {}", what, name_of(elem), text(c, operand));
}

/// Sparse values are weights, their moments and correlations; other operands have all their elements.
void check_whole(const TypingContext& c, std::size_t operand, std::string_view what) {
  if (c.operands[operand].entries.kind == Entries::Kind::sparse) {
    fail("{} must have all its entries, got {}", what, text(c, operand));
  }
}

void check_real(const TypingContext& c, std::size_t operand, std::string_view what, bool bytes_too) {
  const Type& type = c.operands[operand];
  check_whole(c, operand, what);
  if (!is_real(type) && !(bytes_too && type.elem == Elem::u8)) {
    fail("{} must hold real numbers, got {}", what, text(c, operand));
  }
}

void check_entries(const TypingContext& c, const Type& type) {
  if (type.entries.kind == Entries::Kind::dense) return;
  if (type.entries.kind == Entries::Kind::offdiag) {
    const bool square = type.rank() == 2 && type.dims[0] == type.dims[1];
    const bool odd_kernel = type.rank() == 4 && type.dims[0].length % 2 == 1 && type.dims[1].length % 2 == 1 &&
                            !type.dims[2].is_symbolic() && type.dims[3].length % type.dims[2].length == 0;
    if (!square && !odd_kernel) fail("offdiag entries need a weight [K,K] or an odd kernel, got {}", text(c, type));
    return;
  }
  const auto index = static_cast<std::size_t>(type.entries.pattern.index);
  if (type.entries.pattern.index < 0 || index >= c.patterns->size()) fail("pattern {} is not declared", type.entries.pattern.index);
  const PatternDeclaration& p = (*c.patterns)[index];
  if (type.dims != Dims{p.senders, p.receivers}) {
    fail("pattern @{} has shape [{},{}], the weight {}", p.name, p.senders, p.receivers, text(c, type));
  }
}

/// A type that an op declares: lengths and parameters that the text form can say.
void check_declared(const TypingContext& c, const Type& type) {
  for (const Dim& d : type.dims) {
    const bool letter = (d.symbol >= 'a' && d.symbol <= 'z') || (d.symbol >= 'A' && d.symbol <= 'Z') || d.symbol == '_';
    if (d.is_symbolic() ? !letter : d.length < 1) fail("an axis is a letter or at least 1 long, got {}", text(c, type));
  }
  if (!std::isfinite(type.a) || !std::isfinite(type.b) || !std::isfinite(type.scale)) {
    fail("the values of a type must be finite, got {}", text(c, type));
  }
  check_entries(c, type);
}

void check_weight(const TypingContext& c, const Type& weight) {
  if (weight.elem != Elem::f32) fail("a weight must be f32, got {}", text(c, weight));
  for (const Dim& d : weight.dims) {
    if (d.is_symbolic()) fail("a weight's axes must have lengths, got {}", text(c, weight));
  }
  check_entries(c, weight);
}

Type mapped(const TypingContext& c, const Type& sender, const Type& weight, Elem elem, const MapAttributes& map) {
  check_weight(c, weight);
  if (weight.entries.kind == Entries::Kind::sparse && map.kind != MapKind::dense) {
    fail("a {} map takes a weight with all entries, got {}", name_in(map_names, map.kind), text(c, weight));
  }
  return make_type(elem, mapped_dims(map, sender.dims, weight.dims));
}

/// Margins are one number or one per output: [] or [K], K the last axis of the field.
void check_margins(const TypingContext& c, Rule rule, std::size_t first) {
  if (c.operands.size() != first + static_cast<std::size_t>(margins_of(rule))) {
    fail("{} takes {} margins, got {}", name_in(rule_names, rule), margins_of(rule), c.operands.size() - first);
  }
  const Dims& field = c.operands[first - 1].dims;
  for (std::size_t i = first; i < c.operands.size(); ++i) {
    const Type& m = c.operands[i];
    const bool fits = m.is_scalar() || (m.rank() == 1 && !field.empty() && m.dims[0] == field.back());
    if (m.elem != Elem::f32 || !fits) {
      fail("a margin must be f32[] or f32[K] for a field {}, got {}", to_string(field), text(c, i));
    }
  }
}

void check_field(const TypingContext& c, std::size_t operand) {
  const Elem elem = c.operands[operand].elem;
  check_whole(c, operand, "the field");
  if (elem != Elem::fix && elem != Elem::f32) fail("the field must be fix or f32, got {}", text(c, operand));
}

/// The type of the error of a rule for target operand `t` and field operand `h`.
Type error_type(const TypingContext& c, Rule rule, std::size_t t, std::size_t h) {
  const Type& target = c.operands[t];
  const Type& field = c.operands[h];
  check_real(c, t, "the target", false);
  if (target.dims != field.dims) fail("target {} and field {} differ in shape", text(c, t), text(c, h));
  check_field(c, h);
  if (rule == Rule::softmax && field.is_scalar()) fail("softmax needs a field with an axis of classes, got {}", text(c, h));
  if (rule == Rule::softmax || rule == Rule::tanh) return make_type(Elem::f32, target.dims);
  return is_ternary(target) ? make_type(Elem::tern, target.dims) : target;
}

Type correlated(const TypingContext& c, const Type& u, const Type& v, const CorrelateAttributes& a) {
  if (!is_real(u) && u.elem != Elem::u8) fail("the sender must hold real numbers or bytes, got {}", text(c, u));
  if (!is_real(v)) fail("the error must hold real numbers, got {}", text(c, v));
  for (const Type* type : {&u, &v}) {
    if (type->entries.kind == Entries::Kind::sparse) fail("sender and error must have all their entries, got {}", text(c, *type));
  }
  Type weight = make_type(Elem::f32, a.dims);
  weight.entries = a.entries;
  const Type message = mapped(c, u, weight, Elem::f32, a.map);
  if (message.dims != v.dims) {
    fail("a weight {} makes messages {}, the error is {}", text(c, weight), to_string(message.dims), text(c, v));
  }
  const bool exact = (is_ternary(u) || u.elem == Elem::u8) && is_ternary(v);
  return with_elem(weight, exact ? Elem::i64 : Elem::f32);
}

void check_carries(const TypingContext& c, std::size_t first_operand, std::size_t first_argument) {
  const std::size_t carries = c.operands.size() - first_operand;
  if (c.arguments.size() != first_argument + carries) {
    fail("carries {} values, the body has arguments for {}", carries, c.arguments.size() - first_argument);
  }
  if (c.yielded.size() != carries) fail("carries {} values, the body yields {}", carries, c.yielded.size());
  for (std::size_t i = 0; i < carries; ++i) {
    const Type& carried = c.operands[first_operand + i];
    if (c.arguments[first_argument + i] != carried) {
      fail("carry {} starts as {}, its argument is {}", i, text(c, carried), text(c, c.arguments[first_argument + i]));
    }
    if (!is_subtype(c.yielded[i], carried)) {
      fail("carry {} is {}, the body yields {}", i, text(c, carried), text(c, c.yielded[i]));
    }
  }
}

std::vector<Type> carried(const TypingContext& c, std::size_t first_operand) {
  return {c.operands.begin() + static_cast<std::ptrdiff_t>(first_operand), c.operands.end()};
}

/// What the text form can put between quotes.
void check_name(std::string_view name) {
  if (name.empty()) fail("needs a name");
  if (!is_quotable(name)) fail("a name holds a quote or a control character");
}

void check_names(const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    check_name(names[i]);
    for (std::size_t j = 0; j < i; ++j) {
      if (names[i] == names[j]) fail("two results are named \"{}\"", names[i]);
    }
  }
}

}  // namespace

bool is_subtype(const Type& inner, const Type& outer) {
  if (inner == outer) return true;
  if (inner.dims != outer.dims || inner.entries != outer.entries) return false;
  if (outer.elem == Elem::tern) return inner.elem == Elem::pm1;
  return outer.elem == Elem::f32 && is_real(inner);
}

std::vector<Type> none(const TypingContext&) { return {}; }

std::vector<Type> binding(const TypingContext& c) {
  const auto& a = attributes<BindingAttributes>(c);
  check_name(a.name);
  check_declared(c, a.type);
  return {a.type};
}

std::vector<Type> constant(const TypingContext& c) {
  const auto& a = attributes<ConstantAttributes>(c);
  if (a.elem != Elem::f32 && a.elem != Elem::i32) fail("a constant is f32 or i32, got {}", name_of(a.elem));
  if (!std::isfinite(a.real)) fail("a constant must be finite, got {}", to_string(a.real));
  return {make_type(a.elem, {})};
}

std::vector<Type> zeros(const TypingContext& c) {
  const Type& type = attributes<TypeAttributes>(c).type;
  if (type.elem == Elem::pm1) fail("0 is not a value of {}", text(c, type));
  check_declared(c, type);
  return {type};
}

std::vector<Type> take(const TypingContext& c) {
  const Type& table = c.operands[0];
  const Type& index = c.operands[1];
  check_whole(c, 0, "the table");
  if (table.rank() == 0) fail("a table with at least one axis is needed, got {}", text(c, 0));
  check_elem(c, 1, Elem::i32, "the index");
  if (index.rank() > 1) fail("the index must be i32[] or i32[B], got {}", text(c, 1));
  Dims dims = index.dims;
  dims.insert(dims.end(), table.dims.begin() + 1, table.dims.end());
  return {with_dims(table, dims)};
}

std::vector<Type> slice(const TypingContext& c) {
  check_elem(c, 0, Elem::i32, "the order");
  if (c.operands[0].rank() != 1) fail("the order must be i32[N], got {}", text(c, 0));
  check_scalar(c, 1, Elem::i32, "the index");
  check_scalar(c, 2, Elem::i32, "the size");
  return {make_type(Elem::i32, {batch_dim})};
}

std::vector<Type> affine(const TypingContext& c) {
  check_real(c, 0, "the operand", true);
  check_scalar(c, 1, Elem::f32, "a");
  check_scalar(c, 2, Elem::f32, "b");
  return {make_type(Elem::f32, c.operands[0].dims)};
}

std::vector<Type> gate(const TypingContext& c) {
  check_real(c, 0, "the sender", true);
  check_elem(c, 1, Elem::f32, "the gate");
  const Dims& x = c.operands[0].dims;
  const Dims& g = c.operands[1].dims;
  check_whole(c, 1, "the gate");
  const bool per_sample = !x.empty() && g == Dims{x[0]};
  const bool of_matrix = x.size() == 2 && (g == Dims{x[0], 1} || g == Dims{1, x[1]} || g == x);
  if (!per_sample && !of_matrix) fail("a gate [B], [B,1], [1,d] or [B,d] is needed for {}, got {}", text(c, 0), text(c, 1));
  return {make_type(Elem::f32, x)};
}

std::vector<Type> subtract(const TypingContext& c) {
  const Type& a = c.operands[0];
  const Type& b = c.operands[1];
  const auto finished = [](const Type& t) { return t.elem == Elem::f32 || t.elem == Elem::i64; };
  if (!finished(a) || !finished(b) || a.dims != b.dims || a.entries != b.entries) {
    fail("two correlations of one shape are needed, got {} and {}", text(c, 0), text(c, 1));
  }
  return {with_elem(a, Elem::f32)};
}

std::vector<Type> add(const TypingContext& c) {
  check_scalar(c, 0, Elem::i32, "a");
  check_scalar(c, 1, Elem::i32, "b");
  return {c.operands[0]};
}

std::vector<Type> to_fix(const TypingContext& c) {
  check_real(c, 0, "the operand", false);
  return {make_type(Elem::fix, c.operands[0].dims)};
}

std::vector<Type> to_f32(const TypingContext& c) {
  const Elem elem = c.operands[0].elem;
  if (elem != Elem::fix && elem != Elem::i64 && elem != Elem::u8) fail("the operand must be fix, i64 or u8, got {}", text(c, 0));
  return {with_elem(c.operands[0], Elem::f32)};
}

std::vector<Type> message(const TypingContext& c) {
  const auto& a = attributes<MessageAttributes>(c);
  check_real(c, 0, "the sender", true);
  if (a.fixed && !is_ternary(c.operands[0])) fail("an exact message needs a sender of -1, 0, 1, got {}", text(c, 0));
  return {mapped(c, c.operands[0], c.operands[1], a.fixed ? Elem::fix : Elem::f32, a.map)};
}

std::vector<Type> majority(const TypingContext& c) {
  check_real(c, 0, "the sender", true);
  return {make_type(Elem::pm1, window_dims(attributes<WindowAttributes>(c), c.operands[0].dims))};
}

std::vector<Type> aggregate(const TypingContext& c) {
  const Elem elem = c.operands[0].elem;
  if (elem != Elem::fix && elem != Elem::f32) fail("messages must be fix or f32, got {}", text(c, 0));
  for (std::size_t i = 1; i < c.operands.size(); ++i) {
    if (c.operands[i] != c.operands[0]) fail("messages differ in type: {} and {}", text(c, 0), text(c, i));
  }
  return {c.operands[0]};
}

std::vector<Type> threshold(const TypingContext& c) {
  const Activation activation = attributes<ThresholdAttributes>(c).activation;
  const Type& field = c.operands[0];
  check_field(c, 0);
  switch (activation) {
    case Activation::sign: return {make_type(Elem::pm1, field.dims)};
    case Activation::sign0: return {make_type(Elem::tern, field.dims)};
    case Activation::identity: return {field};
    case Activation::tanh:
      check_elem(c, 0, Elem::f32, "the field of tanh");
      return {field};
  }
  internal_error("unknown activation {}", static_cast<int>(activation));
}

std::vector<Type> error(const TypingContext& c) {
  const Rule rule = attributes<ErrorAttributes>(c).rule;
  const Type result = error_type(c, rule, 0, 1);
  check_margins(c, rule, 2);
  return {result};
}

std::vector<Type> update(const TypingContext& c) {
  const auto& a = attributes<UpdateAttributes>(c);
  const Type v = error_type(c, a.rule, 1, 2);
  check_margins(c, a.rule, 3);
  return {correlated(c, c.operands[0], v, a.correlate)};
}

std::vector<Type> correlate(const TypingContext& c) {
  return {correlated(c, c.operands[0], c.operands[1], attributes<CorrelateAttributes>(c))};
}

std::vector<Type> apply(const TypingContext& c) {
  const ApplyRule rule = attributes<ApplyAttributes>(c).rule;
  const auto moments = static_cast<std::size_t>(moments_of(rule));
  if (c.operands.size() != 3 + moments) {
    fail("{} takes a weight, {} moments, a correlation and scalars, got {} operands", name_in(apply_names, rule),
         moments, c.operands.size());
  }
  const Type& weight = c.operands[0];
  check_weight(c, weight);
  for (std::size_t i = 1; i <= moments; ++i) {
    if (c.operands[i] != weight) fail("a moment must be as the weight, {}, got {}", text(c, 0), text(c, i));
  }
  const Type& s = c.operands[moments + 1];
  if ((s.elem != Elem::f32 && s.elem != Elem::i64) || with_elem(s, Elem::f32) != weight) {
    fail("the correlation must have the weight's shape {}, got {}", text(c, 0), text(c, moments + 1));
  }
  const Type scalars = make_type(Elem::f32, {scalars_of(rule)});
  if (c.operands[moments + 2] != scalars) {
    fail("{} takes scalars {}, got {}", name_in(apply_names, rule), text(c, scalars), text(c, moments + 2));
  }
  return std::vector<Type>(moments + 1, weight);
}

std::vector<Type> advance(const TypingContext& c) {
  const auto& a = attributes<MessageAttributes>(c);
  const Type& from = c.operands[1];
  const Type& to = c.operands[2];
  check_whole(c, 1, "a sender");
  check_whole(c, 2, "a sender");
  if (!is_ternary(from) || !is_ternary(to) || from.dims != to.dims) {
    fail("two senders of -1, 0, 1 of one shape are needed, got {} and {}", text(c, 1), text(c, 2));
  }
  const Type result = mapped(c, from, c.operands[3], Elem::fix, a.map);
  if (!a.fixed) fail("advances exact fields only; fixed is missing");
  if (result != c.operands[0]) {
    fail("advances exact fields of the message's shape {}, got {}", text(c, result), text(c, 0));
  }
  return {result};
}

std::vector<Type> hits(const TypingContext& c) {
  check_scalar(c, 0, Elem::i64, "the count");
  const Type& scores = c.operands[1];
  check_whole(c, 1, "the scores");
  const Type& classes = c.operands[2];
  if (scores.elem != Elem::f32 || scores.rank() != 2 || classes.elem != Elem::i32 || classes.dims != Dims{scores.dims[0]}) {
    fail("scores f32[B,C] and classes i32[B] are needed, got {} and {}", text(c, 1), text(c, 2));
  }
  return {c.operands[0]};
}

std::vector<Type> scan(const TypingContext& c) {
  check_scalar(c, 0, Elem::i32, "the number of iterations");
  check_carries(c, 1, 0);
  for (const std::int32_t carry : attributes<ScanAttributes>(c).until_unchanged) {
    if (carry < 0 || carry >= static_cast<std::int32_t>(c.operands.size()) - 1) fail("until names carry {} of {}", carry, c.operands.size() - 1);
  }
  return carried(c, 1);
}

std::vector<Type> loop(const TypingContext& c) {
  check_scalar(c, 0, Elem::i32, "the number of iterations");
  if (c.arguments.empty() || c.arguments[0] != make_type(Elem::i32, {})) fail("the first argument must be the index, i32[]");
  check_carries(c, 1, 1);
  return carried(c, 1);
}

std::vector<Type> fuse(const TypingContext& c) {
  if (!c.arguments.empty()) fail("its body has {} arguments; expected none", c.arguments.size());
  return c.yielded;
}

std::vector<Type> probe(const TypingContext& c) {
  const auto& names = attributes<NamesAttributes>(c).names;
  if (names.size() != 1) fail("needs one name, got {}", names.size());
  check_name(names[0]);
  return {};
}

std::vector<Type> ret(const TypingContext& c) {
  const auto& names = attributes<NamesAttributes>(c).names;
  if (names.size() != c.operands.size()) fail("{} names for {} results", names.size(), c.operands.size());
  check_names(names);
  return {};
}

}  // namespace typing
}  // namespace relaxon
