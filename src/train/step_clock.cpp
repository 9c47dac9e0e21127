#include "clip_hpc/train/step_clock.hpp"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace clip_hpc {

void StepClock::mark() {
  if (marks_ == events_.size()) events_.emplace_back(device_.type(), c10::EventFlag::BACKEND_DEFAULT);
  events_[marks_++].record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
}

void StepClock::start() {
  if (device_.is_cpu()) return timer_.restart();
  mark();
}

void StepClock::lap(std::size_t piece) {
  if (device_.is_cpu()) {
    seconds_[piece] += timer_.seconds();
    return timer_.restart();
  }
  mark();
  spans_.push_back({piece, marks_ - 2, marks_ - 1});
}

std::vector<double> StepClock::collect_s() {
  for (const Span& span : spans_) seconds_[span.piece] += 1e-3 * events_[span.from].elapsedTime(events_[span.to]);
  spans_.clear();
  marks_ = 0;
  return std::exchange(seconds_, std::vector<double>(seconds_.size(), 0.0));
}

}  // namespace clip_hpc
