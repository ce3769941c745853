#include "core/isa.hpp"

#include "core/error.hpp"

namespace relaxon {

std::string_view name_of(Isa isa) {
  switch (isa) {
    case Isa::x86_64: return "x86-64";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
  }
  internal_error("unknown instruction set {}", static_cast<int>(isa));
}

std::optional<Isa> isa_named(std::string_view name) {
  for (const Isa isa : {Isa::x86_64, Isa::avx2, Isa::avx512}) {
    if (name_of(isa) == name) return isa;
  }
  return std::nullopt;
}

}  // namespace relaxon
