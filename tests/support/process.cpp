#include "tests/support/process.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

extern char** environ;  // NOLINT: the name is POSIX's

namespace relaxon::testing {
namespace {

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return std::move(out).str();
}

}  // namespace

Process::Process(const std::vector<std::string>& command, std::string_view input,
                 const std::filesystem::path& out)
    : out_(out.empty() ? folder_.path() / "out" : out) {
  write_bytes(folder_ / "in", input);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  const auto open = [&](int descriptor, const std::string& path, int flags) {
    ::posix_spawn_file_actions_addopen(&files, descriptor, path.c_str(), flags, 0600);
  };
  open(STDIN_FILENO, folder_ / "in", O_RDONLY);
  open(STDOUT_FILENO, out_.string(), O_WRONLY | O_CREAT);
  open(STDERR_FILENO, folder_ / "err", O_WRONLY | O_CREAT);
  const int error = ::posix_spawn(&id_, arguments[0], &files, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  if (error != 0) throw std::runtime_error("cannot run " + command[0]);
}

Process::~Process() {
  if (ended()) return;
  ::kill(id_, SIGKILL);
  ::waitpid(id_, nullptr, 0);
}

bool Process::ended() {
  if (id_ > 0 && ::waitpid(id_, &status_, WNOHANG) == id_) id_ = -1;
  return id_ < 0;
}

bool Process::wait_for(std::string_view text) {
  for (;;) {
    const bool last_look = ended();
    if (contents(out_).find(text) != std::string::npos) return true;
    if (last_look) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void Process::signal(int number) const {
  if (id_ > 0) ::kill(id_, number);
}

ProcessResult Process::wait() {
  while (id_ > 0) {
    if (::waitpid(id_, &status_, 0) == id_ || errno != EINTR) id_ = -1;
  }
  const int status = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  const bool kept = out_.parent_path() == folder_.path();
  return {.status = status, .out = kept ? contents(out_) : "", .err = contents(folder_ / "err")};
}

ProcessResult run(const std::vector<std::string>& command, std::string_view input,
                  const std::filesystem::path& out) {
  return Process(command, input, out).wait();
}

}  // namespace relaxon::testing
