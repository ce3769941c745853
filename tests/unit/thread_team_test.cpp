#include "runtime/thread_team.hpp"

#include <catch2/catch.hpp>
#include <stdexcept>

#include "core/error.hpp"
#include "runtime/executor/memory.hpp"
#include "runtime/executor/pace.hpp"
#include "tests/support/files.hpp"

namespace relaxon {
namespace {

TEST_CASE("every thread of a team runs its part once a run", "[threads]") {
  for (const int size : {1, 2, 3, 7}) {
    ThreadTeam team(size);
    REQUIRE(team.size() == size);
    std::vector<int> runs(static_cast<std::size_t>(size));
    for (int round = 0; round < 20; ++round) {
      team.run([&](ThreadPart part) {
        if (part.count != size) throw std::runtime_error("count");
        ++runs[static_cast<std::size_t>(part.index)];
      });
    }
    CHECK(runs == std::vector<int>(static_cast<std::size_t>(size), 20));
  }
}

TEST_CASE("behind a barrier all see what each wrote before it", "[threads]") {
  constexpr int size = 3, rounds = 2000;
  ThreadTeam team(size);
  std::vector<int> values(size);
  std::vector<int> wrong(size);
  team.run([&](ThreadPart part) {
    const auto own = static_cast<std::size_t>(part.index);
    for (int round = 1; round <= rounds; ++round) {
      values[own] = round;
      team.barrier(part);
      for (const int value : values) wrong[own] += value != round;
      team.barrier(part);
    }
  });
  CHECK(wrong == std::vector<int>(size, 0));
}

TEST_CASE("an exception on any thread ends the run and reaches the caller", "[threads]") {
  ThreadTeam team(3);
  for (int failing = 0; failing < 3; ++failing) {
    INFO(failing);
    CHECK_THROWS_WITH(team.run([&](ThreadPart part) {
      for (int step = 0; step < 100; ++step) {
        if (part.index == failing && step == 50) throw std::runtime_error("step 50");
        team.barrier(part);
      }
    }),
                      "step 50");
    int done = 0;
    team.run([&](ThreadPart part) {
      team.barrier(part);
      if (part.first()) done = 1;
    });
    CHECK(done == 1);
  }
  CHECK_THROWS_WITH(team.run([](ThreadPart part) {
    throw std::runtime_error(std::string("thread ") + char('0' + part.index));
  }),
                    "thread 0");
}

TEST_CASE("threads that fail just behind a barrier leave nobody waiting", "[threads]") {
  ThreadTeam team(4);
  for (int round = 0; round < 300; ++round) {
    const int failing = round % 4, at = round % 7;
    CHECK_THROWS_WITH(team.run([&](ThreadPart part) {
      for (int step = 0; step < 20; ++step) {
        team.barrier(part);
        if (part.index == failing && step == at) throw std::runtime_error("behind a barrier");
      }
    }),
                      "behind a barrier");
  }
}

TEST_CASE("parts cover all units and meet at multiples of the block", "[threads]") {
  for (const std::int64_t count : {0, 1, 63, 64, 65, 300, 2000}) {
    for (const int parts : {1, 2, 3, 7}) {
      INFO(count << " units, " << parts << " parts");
      std::int64_t end = 0;
      for (int i = 0; i < parts; ++i) {
        const Units units = executor::units_of(count, {i, parts});
        CHECK(units.count == count);
        CHECK(units.begin == end);
        CHECK(units.end >= units.begin);
        if (units.end != count) CHECK(units.end % unit_block == 0);
        end = units.end;
      }
      CHECK(end == count);
    }
  }
}

/// Iterations that ran alone of `n`, where an iteration takes `team` or `alone` seconds.
int iterations_alone(executor::Pace& pace, int n, double team, double alone) {
  int count = 0;
  for (int i = 0; i < n;) {
    const executor::Pace::Stretch stretch = pace.next(n - i);
    REQUIRE(stretch.iterations >= 1);
    REQUIRE(stretch.iterations <= n - i);
    pace.took(stretch, stretch.iterations * (stretch.alone ? alone : team));
    if (stretch.alone) count += stretch.iterations;
    i += stretch.iterations;
  }
  return count;
}

TEST_CASE("a loop stays with what is faster and notices when that changes", "[threads]") {
  executor::Pace pace;
  CHECK(iterations_alone(pace, 10000, 1, 1.5) < 200);
  CHECK(iterations_alone(pace, 20000, 30, 1.5) > 15000);
  CHECK(iterations_alone(pace, 20000, 1, 1.5) < 5000);
}

}  // namespace
}  // namespace relaxon
