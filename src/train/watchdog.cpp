#include "clip_hpc/train/watchdog.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/timer.hpp"

namespace clip_hpc {

Watchdog::Watchdog(std::shared_ptr<InFlight> in_flight, double timeout_s,
                   std::function<void(const std::string&)> on_hang, std::function<void(const std::string&)> on_silence)
    : in_flight_(std::move(in_flight)),
      timeout_s_(timeout_s),
      on_hang_(std::move(on_hang)),
      on_silence_(std::move(on_silence)),
      thread_([this](const std::stop_token& stop) { watch(stop); }) {}

void Watchdog::watch(const std::stop_token& stop) const {
  const auto pause = std::chrono::duration<double>(std::clamp(timeout_s_ / 20, 0.01, 5.0));
  std::mutex mutex;
  std::condition_variable_any woken;  // only by the request to stop
  std::unique_lock lock(mutex);
  std::int64_t seen = -1;
  const char* seen_operation = nullptr;
  bool has_told = false;
  Timer since_seen;
  while (!stop.stop_requested()) {
    woken.wait_for(lock, stop, pause, [] { return false; });
    const char* const operation = in_flight_->operation.load();
    const std::int64_t started = in_flight_->started.load();
    if (started != seen || operation != seen_operation) {
      seen = started;
      seen_operation = operation;
      has_told = false;
      since_seen.restart();
    } else if (operation != nullptr && since_seen.seconds() > timeout_s_ + 2 * pause.count()) {
      on_hang_(
          fmt::format("{} (operation {} of this rank) has lasted longer than comm.timeout_s = {} s: another rank is "
                      "stuck or gone; submit again to go on from the last checkpoint",
                      operation, started, timeout_s_));
      return;
    } else if (operation == nullptr && on_silence_ && !has_told && since_seen.seconds() > timeout_s_) {
      has_told = true;
      on_silence_(fmt::format("has not communicated for {:.0f} s; its last was {} (operation {})", since_seen.seconds(),
                              in_flight_->last.load(), started));
    }
  }
}

ErrorKind lost_peer_kind(const RunFolder& folder) {
  const char* const may = std::getenv("CLIP_HPC_REQUEUE");
  const bool asked = may != nullptr && std::string_view(may) == "1";
  return asked && !folder.checkpoint_steps().empty() ? ErrorKind::lost_peer : ErrorKind::comm;
}

void leave_hung_run(const std::string& text, ErrorKind kind) {
  if (!text.empty()) log_warning(text);
  _exit(exit_code(kind));
}

}  // namespace clip_hpc
