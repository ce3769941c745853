#include "runtime/thread_team.hpp"

#include <immintrin.h>

#include "core/error.hpp"
#include "core/math.hpp"

namespace relaxon {
namespace {

/// Some microseconds: longer than most steps, shorter than a time slice.
constexpr int spins = 4000;

/// Thrown at a barrier on threads whose fellow has failed; never leaves run().
struct Abandoned {};

/// Returns once `value` isn't `old` any more.
template <class T>
void wait_while(const std::atomic<T>& value, T old) {
  for (int i = 0; i < spins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    _mm_pause();
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadTeam::ThreadTeam(int threads, bool only_if_faster)
    : only_if_faster_(only_if_faster), errors_(static_cast<std::size_t>(threads)) {
  if (threads < 1) internal_error("a team of {} threads", threads);
  arrivals_ = std::make_unique<Arrivals[]>(static_cast<std::size_t>(threads));
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadTeam::~ThreadTeam() {
  stopping_.store(true, std::memory_order_release);
  runs_.fetch_add(1, std::memory_order_release);
  runs_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadTeam::run(const std::function<void(ThreadPart)>& body) {
  body_ = &body;
  for (std::exception_ptr& error : errors_) error = nullptr;
  failed_.store(0, std::memory_order_relaxed);
  finished_.store(0, std::memory_order_relaxed);
  for (int i = 0; i < size(); ++i)
    arrivals_[static_cast<std::size_t>(i)].count.store(0, std::memory_order_relaxed);
  runs_.fetch_add(1, std::memory_order_release);
  runs_.notify_all();
  take_part({0, size()});
  for (int done = finished_.load(std::memory_order_acquire); done != size() - 1;
       done = finished_.load(std::memory_order_acquire))
    wait_while(finished_, done);
  for (const std::exception_ptr& error : errors_) {
    if (error) std::rethrow_exception(error);
  }
}

void ThreadTeam::work(int index) {
  const FlushToZero mode;
  std::uint32_t seen = 0;
  while (true) {
    wait_while(runs_, seen);
    ++seen;
    if (stopping_.load(std::memory_order_acquire)) return;
    take_part({index, size()});
    finished_.fetch_add(1, std::memory_order_release);
    finished_.notify_all();
  }
}

void ThreadTeam::take_part(ThreadPart part) {
  try {
    const FlushToZero mode;
    (*body_)(part);
  } catch (const Abandoned&) {
    leave(part);
  } catch (...) {
    errors_[static_cast<std::size_t>(part.index)] = std::current_exception();
    failed_.fetch_add(1, std::memory_order_release);
    leave(part);
  }
}

/// Whoever waits for this thread, or comes to wait, is let go.
void ThreadTeam::leave(ThreadPart part) {
  std::atomic<std::uint32_t>& own = arrivals_[static_cast<std::size_t>(part.index)].count;
  constexpr std::uint32_t many = 1u << 30;
  own.fetch_add(many, std::memory_order_release);
  own.notify_all();
}

void ThreadTeam::barrier(ThreadPart part) {
  const int n = size();
  if (n == 1) return;
  std::atomic<std::uint32_t>& own = arrivals_[static_cast<std::size_t>(part.index)].count;
  const std::uint32_t arrived = own.load(std::memory_order_relaxed) + 1;
  own.store(arrived, std::memory_order_release);
  own.notify_all();
  for (int i = 0; i < n; ++i) {
    const std::atomic<std::uint32_t>& other = arrivals_[static_cast<std::size_t>(i)].count;
    // Counts may wrap around; another one is behind by few or ahead.
    for (std::uint32_t seen = other.load(std::memory_order_acquire);
         static_cast<std::int32_t>(seen - arrived) < 0; seen = other.load(std::memory_order_acquire))
      wait_while(other, seen);
  }
  if (failed_.load(std::memory_order_acquire) > 0) throw Abandoned();
}

}  // namespace relaxon
