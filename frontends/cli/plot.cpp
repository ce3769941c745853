#include "frontends/cli/plot.hpp"

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
#include "core/file.hpp"

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
std::optional<std::string> run_child(const std::vector<std::string>& command, const MemoryFile& in,
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

std::string plot_script(const History& history) {
  std::string script = "$accuracy << END\n";
  bool validation = false;
  for (const EpochRecord& r : history) {
    validation = validation || r.validation_accuracy.has_value();
    script += fmt::format("{} {} {} {}\n", r.epoch, r.train_accuracy, r.test_accuracy,
                          r.validation_accuracy ? fmt::format("{}", *r.validation_accuracy) : "NaN");
  }
  script +=
      "END\n"
      "set terminal svg size 640,400 dynamic font 'sans-serif,13' background 'white'\n"
      "set xlabel 'epoch'\nset ylabel 'accuracy'\nset format x '%.0f'\nset xtics nomirror\nset ytics "
      "nomirror\n"
      "set border 3\nset grid linecolor '#dddddd'\nset key bottom right\nset offsets 0.2, 0.2, 0.01, 0.01\n";
  if (history.size() < 10) script += "set xtics 1\n";
  script +=
      "plot $accuracy using 1:2 with linespoints linewidth 2 pointtype 7 pointsize 0.5 linecolor '#999999' "
      "title 'train', "
      "$accuracy using 1:3 with linespoints linewidth 2 pointtype 7 pointsize 0.5 linecolor '#1f6fb4' title "
      "'test'";
  if (validation) {
    script +=
        ", $accuracy using 1:4 with linespoints linewidth 2 pointtype 7 pointsize 0.5 linecolor '#d8722c' "
        "title 'validation'";
  }
  return script + '\n';
}

}  // namespace

std::optional<std::string> plot_accuracy(const History& history, const std::filesystem::path& path) {
  const MemoryFile script(plot_script(history));
  const MemoryFile image;
  if (auto failure = run_child({"gnuplot", "--default-settings", "-"}, script, image)) return failure;
  const std::string svg = image.contents();
  if (svg.find("</svg>") == std::string::npos) return "gnuplot gave no image";
  write_file_atomically(path, svg);
  return std::nullopt;
}

}  // namespace relaxon::cli
