// What a rank is communicating right now, readable from another thread: a watchdog names it when a job hangs.
#pragma once

#include <atomic>
#include <cstdint>

namespace clip_hpc {

struct InFlight {
  std::atomic<const char*> operation{nullptr};  // a string literal, or nullptr outside of communication
  std::atomic<const char*> last{"none"};        // the one that began last
  std::atomic<std::int64_t> started{0};         // operations so far: ranks that differ have lost step with each other
};

class InFlightMark {  // names an operation for the duration of a scope
 public:
  InFlightMark(InFlight& slot, const char* operation) : slot_(slot), before_(slot.operation.exchange(operation)) {
    slot_.last.store(operation, std::memory_order_relaxed);
    slot_.started.fetch_add(1, std::memory_order_relaxed);
  }
  ~InFlightMark() { slot_.operation.store(before_); }
  InFlightMark(const InFlightMark&) = delete;
  InFlightMark& operator=(const InFlightMark&) = delete;

 private:
  InFlight& slot_;
  const char* before_;
};

}  // namespace clip_hpc
