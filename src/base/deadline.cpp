#include "clip_hpc/base/deadline.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace clip_hpc {

Deadline::Deadline(double seconds, std::function<void()> on_miss) {
  if (seconds <= 0) return;
  thread_ = std::jthread([seconds, act = std::move(on_miss)](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any woken;  // only by the request to stop
    std::unique_lock lock(mutex);
    woken.wait_for(lock, stop, std::chrono::duration<double>(seconds), [] { return false; });
    if (!stop.stop_requested()) act();
  });
}

}  // namespace clip_hpc
