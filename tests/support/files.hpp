// Folders and files for tests that read and write.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace relaxon::testing {

/// A new empty folder, removed with all it holds at the end of the scope.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(std::string_view name) const { return (path_ / name).string(); }
  /// Names of everything in the folder, sorted.
  std::vector<std::string> names() const;

 private:
  std::filesystem::path path_;
};

/// Plain writing, without the care that the library takes.
void write_bytes(const std::filesystem::path& path, std::string_view bytes);

/// One gzip member.
std::string gzip(std::string_view bytes);

/// IDX files with any header: the magic number, the lengths, then the data as they are.
std::string idx_file(std::uint32_t magic, const std::vector<std::uint32_t>& lengths, std::string_view data);

/// `bytes` with a few bytes changed, removed, repeated or put in, by the random numbers of `state`, which
/// moves on.
std::string mutated(std::string bytes, std::uint64_t& state);

/// What the Error of `action` says; "no error" when there is none. Other exceptions pass.
template <class Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace relaxon::testing
