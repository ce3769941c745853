#include "runtime/program.hpp"

#include "core/error.hpp"
#include "runtime/interpreter/interpreter.hpp"

namespace relaxon {

std::string_view name_of(Backend backend) {
  switch (backend) {
    case Backend::interpreter: return "interpreter";
  }
  internal_error("unknown backend {}", static_cast<int>(backend));
}

std::optional<Backend> backend_named(std::string_view name) {
  if (name == "interpreter") return Backend::interpreter;
  return std::nullopt;
}

std::unique_ptr<Program> compile(Graph graph, Backend backend) {
  switch (backend) {
    case Backend::interpreter: return make_interpreter(std::move(graph));
  }
  internal_error("unknown backend {}", static_cast<int>(backend));
}

}  // namespace relaxon
