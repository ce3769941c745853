#include "ir/type.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "core/error.hpp"

namespace relaxon {

std::string_view name_of(Elem elem) {
  constexpr std::array<std::string_view, 8> names{"pm1", "tern", "two", "u8", "f32", "fix", "i32", "i64"};
  return names.at(static_cast<std::size_t>(elem));
}

Type make_type(Elem elem, Dims dims) {
  Type type;
  type.elem = elem;
  type.dims = std::move(dims);
  return type;
}

Type with_dims(Type type, Dims dims) {
  type.dims = std::move(dims);
  type.entries = {};
  return type;
}

Type with_elem(Type type, Elem elem) {
  Type result = make_type(elem, std::move(type.dims));
  result.entries = type.entries;
  return result;
}

bool is_ternary(const Type& type) { return type.elem == Elem::pm1 || type.elem == Elem::tern; }

bool is_real(const Type& type) {
  return is_ternary(type) || type.elem == Elem::two || type.elem == Elem::f32;
}

std::string to_string(float value) { return fmt::format("{}", value); }

std::string to_string(const Dims& dims) {
  std::string text;
  for (const Dim& d : dims) {
    if (!text.empty()) text += ",";
    text += d.is_symbolic() ? std::string(1, d.symbol) : fmt::format("{}", d.length);
  }
  return fmt::format("[{}]", text);
}

std::string to_string(const Type& type, const std::vector<std::string>& pattern_names) {
  std::string text(name_of(type.elem));
  if (type.elem == Elem::two) text += fmt::format("{{{},{}}}", to_string(type.a), to_string(type.b));
  if (type.elem == Elem::u8) text += fmt::format("{{{}}}", to_string(type.scale));
  text += to_string(type.dims);
  if (type.entries.kind == Entries::Kind::offdiag) text += "{offdiag}";
  if (type.entries.kind == Entries::Kind::sparse) {
    const auto index = static_cast<std::size_t>(type.entries.pattern.index);
    text += index < pattern_names.size() ? fmt::format("{{@{}}}", pattern_names[index]) : "{an undeclared pattern}";
  }
  return text;
}

}  // namespace relaxon
