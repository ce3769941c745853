#include "runtime/executor/memory.hpp"

#include <catch2/catch.hpp>

namespace relaxon::executor {
namespace {

/// `senders` senders, each connected with one of two receivers.
PatternPtr pattern_to(std::int32_t receiver, std::int64_t senders) {
  Pattern p;
  p.senders = senders;
  p.receivers = 2;
  for (std::int32_t j = 0; j <= senders; ++j) p.offsets.push_back(j);
  p.receiver.assign(static_cast<std::size_t>(senders), receiver);
  return std::make_shared<const Pattern>(std::move(p));
}

TEST_CASE("what follows from a pattern is made once, and again for another pattern", "[executor]") {
  OfPattern<std::vector<std::int32_t>> offsets;
  int made = 0;
  const auto of = [&](const ColumnIndex& index) {
    return offsets.of(index, [&] {
      ++made;
      return index.offsets;
    });
  };
  const PatternPtr first = pattern_to(0, 3);
  CHECK(of(ColumnIndex(first, 1)) == std::vector<std::int32_t>{0, 3, 3});
  CHECK(of(ColumnIndex(first, 1)) == std::vector<std::int32_t>{0, 3, 3});
  CHECK(made == 1);
  // Indices and patterns that come and go may lie where others lay.
  for (std::int32_t round = 0; round < 20; ++round) {
    const std::int32_t receiver = 1 - round % 2;
    const ColumnIndex index(pattern_to(receiver, 3), 1);
    CHECK(of(index) ==
          (receiver == 0 ? std::vector<std::int32_t>{0, 3, 3} : std::vector<std::int32_t>{0, 0, 3}));
  }
  CHECK(made == 21);
}

}  // namespace
}  // namespace relaxon::executor
