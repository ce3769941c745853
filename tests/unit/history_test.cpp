#include "runtime/history.hpp"

#include <catch2/catch.hpp>

#include "core/file.hpp"
#include "tests/support/files.hpp"

namespace relaxon {
namespace {

using testing::error_of;
using testing::TemporaryFolder;

EpochRecord epoch(std::int64_t number) {
  return {.epoch = number,
          .steps = 938,
          .train_accuracy = 0.7125,
          .test_accuracy = 0.5,
          .seconds = 12.34567,
          .eval_seconds = 0.25,
          .images_per_second = 4860.06,
          .train_step_us = 13161.7};
}

TEST_CASE("a history is a header and one line an epoch", "[history]") {
  const std::string header =
      "epoch,steps,train_accuracy,test_accuracy,seconds,eval_seconds,images_per_second,train_step_us\n";
  CHECK(to_csv({}) == header);
  CHECK(to_csv({epoch(1), epoch(2)}) == header +
                                            "1,938,0.7125,0.5,12.346,0.250,4860.1,13161.7\n"
                                            "2,938,0.7125,0.5,12.346,0.250,4860.1,13161.7\n");
}

TEST_CASE("a history has a column for validation where an epoch has it", "[history]") {
  EpochRecord validated = epoch(2);
  validated.validation_accuracy = 0.25;
  CHECK(to_csv({epoch(1), validated}) ==
        "epoch,steps,train_accuracy,test_accuracy,validation_accuracy,seconds,eval_seconds,images_per_second,"
        "train_step_us\n"
        "1,938,0.7125,0.5,,12.346,0.250,4860.1,13161.7\n"
        "2,938,0.7125,0.5,0.25,12.346,0.250,4860.1,13161.7\n");
}

TEST_CASE("a saved history replaces the one before and leaves nothing else", "[history]") {
  const TemporaryFolder folder;
  save_history(folder / "history.csv", {epoch(1), epoch(2)});
  save_history(folder / "history.csv", {epoch(1)});
  CHECK(read_file(folder / "history.csv") == to_csv({epoch(1)}));
  CHECK(folder.names() == std::vector<std::string>{"history.csv"});
  CHECK(error_of([&] { save_history(folder / "none/history.csv", {}); }) ==
        folder / "none/history.csv" + ": cannot write: No such file or directory");
}

}  // namespace
}  // namespace relaxon
