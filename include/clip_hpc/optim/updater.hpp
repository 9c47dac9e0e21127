// All that an update of the weights is made of: count it, let the optimizer take it, keep the limits of parameters,
// move the average of the weights.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "clip_hpc/optim/average.hpp"
#include "clip_hpc/optim/optimizer.hpp"

namespace clip_hpc {

struct Updater {
  Updater(ParameterArena& arena, const OptimOptions& options);  // the arena outlives it

  // Of the elements that this rank holds: afterwards arena.gather_weights(). norm, lr: fp64 scalars on the arena's
  // device, which is not waited for. Where the norm is not finite nothing changes but the counts of skipped steps.
  // Collective where the arena is shared.
  void step(const at::Tensor& norm, const at::Tensor& lr, Communicator& comm);

  std::int64_t state_bytes() const;  // of this rank: the optimizer's state and the average

  ParameterArena& arena;
  std::string name;  // of the optimizer
  UpdateCounters counters;
  std::unique_ptr<Optimizer> optimizer;
  WeightAverage average;
};

}  // namespace clip_hpc
