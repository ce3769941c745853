// The op `add`: sums of iteration counts.
#include <catch2/catch.hpp>

#include "core/error.hpp"
#include "ir/text.hpp"
#include "ir/verify.hpp"
#include "tests/support/files.hpp"
#include "tests/support/run_graph.hpp"

namespace relaxon {
namespace {

using testing::error_of;

constexpr std::string_view sum = R"(graph "g" fixed 20
%a = input "a" : i32[]
%b = input "b" : i32[]
%c = add %a, %b : i32[]
return "c" %c
)";

std::int32_t added(std::int32_t a, std::int32_t b) {
  return testing::result_of(sum, {{"a", Tensor::scalar(a)}, {"b", Tensor::scalar(b)}})
      .data<std::int32_t>()[0];
}

TEST_CASE("add sums counts", "[ir]") {
  CHECK(print(parse(sum, "test")) == sum);
  CHECK(added(2, 3) == 5);
  CHECK(added(0, 0) == 0);
  CHECK(added(2147483646, 1) == 2147483647);
}

TEST_CASE("add refuses what isn't a count", "[ir]") {
  CHECK(error_of([] { added(-1, 3); }) ==
        "add: -1 and 3; expected counts of at least 0 with a sum below 2147483648");
  CHECK(error_of([] { added(3, -1); }) ==
        "add: 3 and -1; expected counts of at least 0 with a sum below 2147483648");
  CHECK(error_of([] { added(2147483647, 1); }) ==
        "add: 2147483647 and 1; expected counts of at least 0 with a sum below 2147483648");
  CHECK(error_of([] {
          parse("graph \"g\" fixed 20\n%a = input \"a\" : i64[]\n%c = add %a, %a : i32[]\nreturn", "test");
        }) == "test:3:6: add: a must be i32[], got i64[]");
}

TEST_CASE("lowered graphs have no add", "[ir]") {
  CHECK(error_of([] { verify(parse(sum, "test"), Stage::lowered); }) ==
        "graph g: add is not allowed at stage lowered");
}

}  // namespace
}  // namespace relaxon
