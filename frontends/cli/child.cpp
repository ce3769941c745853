#include "frontends/cli/child.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "core/error.hpp"

extern char** environ;  // NOLINT: the name is POSIX's

namespace relaxon::cli {
namespace {

/// A file in memory, for a child to read or write: no pipe that could fill up, no name in any folder.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view contents = "") : descriptor_(::memfd_create("relaxon", MFD_CLOEXEC)) {
    if (descriptor_ < 0) fail("memfd_create: {}", std::strerror(errno));
    for (std::size_t done = 0; done < contents.size();) {
      const ssize_t n = ::write(descriptor_, contents.data() + done, contents.size() - done);
      if (n < 0 && errno != EINTR) fail("memory file: {}", std::strerror(errno));
      if (n > 0) done += static_cast<std::size_t>(n);
    }
    ::lseek(descriptor_, 0, SEEK_SET);
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int descriptor() const { return descriptor_; }
  std::string contents() const {
    std::string all;
    std::array<char, 1 << 16> block{};
    for (;;) {
      const ssize_t n = ::pread(descriptor_, block.data(), block.size(), static_cast<off_t>(all.size()));
      if (n <= 0) return all;
      all.append(block.data(), static_cast<std::size_t>(n));
    }
  }

 private:
  int descriptor_;
};

/// Runs a program found on the PATH with no shell in between. Returns what kept it from running or
/// succeeding.
std::optional<std::string> failure_of(const std::vector<std::string>& command, const MemoryFile& in,
                                      const MemoryFile& out) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_adddup2(&files, in.descriptor(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, out.descriptor(), STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t defaults;
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);

  pid_t child = 0;
  const int error = ::posix_spawnp(&child, arguments[0], &files, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  if (error == ENOENT) return command[0] + " is not installed";
  if (error != 0) return fmt::format("{}: {}", command[0], std::strerror(error));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return std::nullopt;
  return command[0] + " failed";
}

}  // namespace

ChildResult run_child(const std::vector<std::string>& command, std::string_view input) {
  const MemoryFile in(input);
  const MemoryFile out;
  ChildResult result;
  result.failure = failure_of(command, in, out);
  if (!result.failure) result.out = out.contents();
  return result;
}

}  // namespace relaxon::cli
