// Programs run as a user would run them.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/files.hpp"

namespace relaxon::testing {

/// How a program ended: its exit code, or 128 + the number of the signal that ended it, and what it wrote.
struct ProcessResult {
  int status = 0;
  std::string out, err;
};

/// A program that runs, with no shell in between. Standard input holds `input`; standard output goes to the
/// file `out`, or is kept.
class Process {
 public:
  explicit Process(const std::vector<std::string>& command, std::string_view input = "",
                   const std::filesystem::path& out = {});
  /// Kills the program if it still runs.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// Whether the program has ended by now.
  bool ended();
  /// Waits until standard output holds `text`; false if the program ends first.
  bool wait_for(std::string_view text);
  void signal(int number) const;
  ProcessResult wait();

 private:
  TemporaryFolder folder_;
  std::filesystem::path out_;
  pid_t id_ = -1;
  int status_ = 0;
};

ProcessResult run(const std::vector<std::string>& command, std::string_view input = "",
                  const std::filesystem::path& out = {});

}  // namespace relaxon::testing
