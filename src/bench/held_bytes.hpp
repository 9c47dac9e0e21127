// What the tensors of this thread hold on the CPU, at most, above what was there when counting began. The resident set
// also holds what malloc keeps for later.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <cstdint>
#include <memory>

namespace clip_hpc {

class HeldBytes {
 public:
  double peak_bytes() const { return static_cast<double>(counter_->peak); }

 private:
  struct Counter final : c10::MemoryReportingInfoBase {
    std::int64_t now = 0, peak = 0;
    void reportMemoryUsage(void*, std::int64_t size, std::size_t, std::size_t, c10::Device device) override {
      if (!device.is_cpu()) return;
      now += size;  // less than 0 where memory is given back
      peak = std::max(peak, now);
    }
    bool memoryProfilingEnabled() const override { return true; }
  };
  std::shared_ptr<Counter> counter_ = std::make_shared<Counter>();
  c10::DebugInfoGuard guard_{c10::DebugInfoKind::PROFILER_STATE, counter_};
};

}  // namespace clip_hpc
