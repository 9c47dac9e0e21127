// Ends a run whose ranks wait for each other for ever: a thread that watches what this rank is communicating. MPI
// itself has no deadline, and a rank that is stuck in a file system or in a dead lock keeps all others in their
// collective.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/comm/in_flight.hpp"
#include "clip_hpc/run/run_folder.hpp"

namespace clip_hpc {

class Watchdog {
 public:
  // Calls `on_hang` once, from the watching thread, when one operation has lasted longer than `timeout_s`. The text
  // names the operation and its number among this rank's operations: ranks with other numbers have lost step.
  // Calls `on_silence` when this rank has begun none for that long, so that the others may be waiting for it. It is
  // told first: who waits gives it a moment.
  Watchdog(std::shared_ptr<InFlight> in_flight, double timeout_s, std::function<void(const std::string&)> on_hang,
           std::function<void(const std::string&)> on_silence = {});
  ~Watchdog() = default;  // stops and joins
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void watch(const std::stop_token& stop) const;

  std::shared_ptr<InFlight> in_flight_;
  double timeout_s_;
  std::function<void(const std::string&)> on_hang_, on_silence_;
  std::jthread thread_;  // last: it uses the others
};

// The exit code of a run whose rank or network died: 4, or 75 where the job script may submit it again
// (CLIP_HPC_REQUEUE=1) and there is a checkpoint to go on from.
ErrorKind lost_peer_kind(const RunFolder& folder);

// What a run does then: says it (empty: another rank has) and leaves at once with the code of `kind`. MPI belongs to
// the main thread, which is stuck in it; the launcher ends the other ranks.
[[noreturn]] void leave_hung_run(const std::string& text, ErrorKind kind);

}  // namespace clip_hpc
