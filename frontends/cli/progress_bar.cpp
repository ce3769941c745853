#include "frontends/cli/progress_bar.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace relaxon::cli {
namespace {

constexpr int default_width = 80;
constexpr int longest_bar = 40;

int terminal_width() {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : default_width;
}

std::string duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::min(seconds, 1e9) + 0.5);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

void write_to_terminal(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stderr); }

}  // namespace

std::string progress_line(const TrainingProgress& progress, std::int64_t epochs, std::int64_t batch_size,
                          int width) {
  const std::string head = fmt::format("epoch {}/{} ", progress.epoch, epochs);
  std::string tail = fmt::format(" {}/{}", progress.step, progress.steps);
  if (progress.step > 0 && progress.seconds > 0) {
    const double rate = static_cast<double>(progress.step) / progress.seconds;
    tail += fmt::format("  {:.0f} images/s  {} left", rate * static_cast<double>(batch_size),
                        duration(static_cast<double>(progress.steps - progress.step) / rate));
  }
  const int room = std::min(longest_bar, width - static_cast<int>(head.size() + tail.size()) - 2);
  std::string line = head;
  if (room >= 5) {
    const double share =
        progress.steps > 0 ? static_cast<double>(progress.step) / static_cast<double>(progress.steps) : 0;
    const int done = std::clamp(static_cast<int>(share * room), 0, room);
    line += fmt::format("[{:=<{}}{: <{}}]", "", done, done < room ? ">" : "", room - done);
  }
  line += tail;
  return line.substr(0, static_cast<std::size_t>(std::max(width, 0)));
}

ProgressBar::ProgressBar(std::int64_t epochs, std::int64_t batch_size)
    : epochs_(epochs), batch_size_(batch_size), terminal_(::isatty(STDERR_FILENO) == 1) {}

void ProgressBar::show(const TrainingProgress& progress) {
  if (!terminal_) return;
  // The last column stays free: a full line would make some terminals go to the next one.
  std::string line = progress_line(progress, epochs_, batch_size_, terminal_width() - 1);
  if (line == shown_) return;
  // One write over the old text, then clear what is left of it: nothing to flicker.
  write_to_terminal(fmt::format("\r{}\x1b[K", line));
  shown_ = std::move(line);
}

void ProgressBar::clear() {
  if (shown_.empty()) return;
  write_to_terminal("\r\x1b[K");
  shown_.clear();
}

}  // namespace relaxon::cli
