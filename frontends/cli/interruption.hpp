// Ctrl-C and termination as a wish that is looked at between two batches.
#pragma once

namespace relaxon::cli {

/// While it lives, SIGINT and SIGTERM are noted instead of ending the process; a second one ends it. At most
/// one lives at a time.
class Interruption {
 public:
  Interruption();
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  /// The number of the signal that came; 0 if none has.
  int signal() const;
};

}  // namespace relaxon::cli
