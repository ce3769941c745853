// The program relaxon as the tests of its commands run it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/files.hpp"
#include "tests/support/process.hpp"

namespace relaxon::testing {

using Words = std::vector<std::string>;

/// The words of a command line: the program's path, then `arguments`.
Words command(const Words& arguments);

/// Runs it to its end; standard output goes to the file `out`, or is kept.
ProcessResult relaxon_cli(const Words& arguments, std::string_view input = "", const std::string& out = "");

/// The command must fail with this exit code, one line on standard error and nothing on standard output.
void check_refused(const Words& arguments, int status, const std::string& message);

/// A folder with a small data set of 4 x 4 pixels and a network for it.
class Workplace {
 public:
  Workplace();
  std::string network() const { return folder_ / "net.toml"; }
  std::string operator/(std::string_view name) const { return folder_ / name; }

 private:
  void write_images(const std::string& part, std::uint32_t count) const;

  TemporaryFolder folder_;
};

/// The JSON lines of a command that must succeed.
std::vector<nlohmann::json> json_lines(const Words& arguments);

}  // namespace relaxon::testing
