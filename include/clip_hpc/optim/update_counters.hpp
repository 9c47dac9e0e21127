// How many updates of the weights were done, and how many left out since the gradient was not finite.
#pragma once

#include <ATen/core/Tensor.h>

namespace clip_hpc {

// int64 scalars on one device; copies are views of the same numbers.
struct UpdateCounters {
  explicit UpdateCounters(at::Device device);
  at::Tensor applied;           // updates done: the t of a bias correction
  at::Tensor skipped;           // updates left out
  at::Tensor skipped_in_a_row;  // those since the last update

  void count(const at::Tensor& norm);  // fp64 scalar on the same device, which is not waited for
};

}  // namespace clip_hpc
