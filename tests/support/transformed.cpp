#include "tests/support/transformed.hpp"

#include "ir/text.hpp"
#include "ir/verify.hpp"

namespace relaxon::testing {

std::string transformed(Graph (*pass)(const Graph&), std::string_view text) {
  const Graph before = parse(text, "test");
  verify(before);
  const Graph after = pass(before);
  verify(after);
  return print(after);
}

std::string canonical(std::string_view text) { return print(parse(text, "test")); }

}  // namespace relaxon::testing
