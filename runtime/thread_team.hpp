// Threads that run one body together, step by step.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace relaxon {

/// One thread's share of a piece of work.
struct ThreadPart {
  int index = 0, count = 1;
  bool first() const { return index == 0; }
};

/// A fixed number of threads, the caller's among them. Between two runs the others sleep; in a run they wait
/// for each other at barriers, spinning for some microseconds before they give the core away. Flush-to-zero
/// is set on all of them (semantics: section 10).
class ThreadTeam {
 public:
  /// At least one thread. With `only_if_faster`, loops time themselves and leave the others out while one
  /// thread is faster.
  explicit ThreadTeam(int threads, bool only_if_faster = false);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  bool only_if_faster() const { return only_if_faster_; }
  int size() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls body(part) once on every thread. If some throw, the run ends at the next barrier and the first
  /// thread's exception goes to the caller. Not for use by two threads at once, nor from within a body.
  void run(const std::function<void(ThreadPart)>& body);

  /// Waits until every thread of the run is here; `part` is the caller's. Throws on all if one of them has
  /// thrown.
  void barrier(ThreadPart part);

 private:
  void work(int index);
  void take_part(ThreadPart part);
  void leave(ThreadPart part);

  /// The barriers that a thread has come to: it writes no line but its own, so that two threads meet in the
  /// time that a line takes from one core to the other.
  struct alignas(64) Arrivals {
    std::atomic<std::uint32_t> count{0};
  };

  bool only_if_faster_;
  std::vector<std::thread> workers_;
  const std::function<void(ThreadPart)>* body_ = nullptr;
  std::vector<std::exception_ptr> errors_;  // of each thread's last run
  std::unique_ptr<Arrivals[]> arrivals_;    // of each thread, in the run
  std::atomic<std::uint32_t> runs_{0};      // started so far; workers sleep on it
  std::atomic<bool> stopping_{false};
  std::atomic<int> failed_{0};                // threads of the run that threw
  alignas(64) std::atomic<int> finished_{0};  // workers done with the run
};

}  // namespace relaxon
