#include "frontends/cli/interruption.hpp"

#include <csignal>

namespace relaxon::cli {
namespace {

// A signal handler can reach nothing else.
volatile std::sig_atomic_t received = 0;

void note(int number) { received = number; }

}  // namespace

Interruption::Interruption() {
  received = 0;
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

Interruption::~Interruption() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

int Interruption::signal() const { return received; }

}  // namespace relaxon::cli
