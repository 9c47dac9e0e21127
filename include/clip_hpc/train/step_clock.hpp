// How long pieces of steps take where they run: on the device's own clock, read without waiting for it in between, or
// on the wall's for the CPU.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/Event.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "clip_hpc/base/timer.hpp"

namespace clip_hpc {

class StepClock {
 public:
  StepClock(const at::Device& device, std::size_t pieces) : device_(device), seconds_(pieces, 0.0) {}
  void start();                 // of a step
  void lap(std::size_t piece);  // what has been asked since start() or the lap before belongs to this piece
  // The sums since the last call, by piece. All that was asked must be done on the device (Communicator::synchronize).
  std::vector<double> collect_s();

 private:
  struct Span {
    std::size_t piece, from, to;  // events
  };
  void mark();
  at::Device device_;
  std::vector<double> seconds_;
  Timer timer_;
  std::vector<c10::Event> events_;  // used anew after collect_s()
  std::size_t marks_ = 0;
  std::vector<Span> spans_;
};

}  // namespace clip_hpc
