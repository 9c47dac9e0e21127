// Optimizers work on the arena of all parameters, not on modules: on the elements that this rank holds. Each is one row
// of a table and one file behind it in optim/optimizers/.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <span>
#include <vector>

#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/model/arena/parameters.hpp"
#include "clip_hpc/optim/named_buffer.hpp"
#include "clip_hpc/optim/optim_options.hpp"
#include "clip_hpc/optim/update_counters.hpp"

namespace clip_hpc {

class Optimizer {
 public:
  Optimizer() = default;
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // One update of the held elements, master and compute type, with gradients scaled to at most clip_norm. norm, lr:
  // fp64 scalars on the arena's device, which is not waited for, so that a graph can repeat the step with another lr.
  // Where the norm is not finite nothing changes. Collective where the arena is shared: what belongs to a whole tensor
  // is summed over `comm`.
  virtual void step(const at::Tensor& norm, const at::Tensor& lr, Communicator& comm) = 0;

  virtual std::vector<NamedBuffer> state() = 0;  // what a checkpoint keeps of it
};

struct OptimizerKind {
  const char* name;
  const char* help;  // what to know of it; empty where optim.* say it all
  // The arena outlives it. `counters` counts a step before the optimizer takes it.
  std::unique_ptr<Optimizer> (*make)(ParameterArena& arena, const OptimOptions& options,
                                     const UpdateCounters& counters);
};

std::span<const OptimizerKind> optimizers();

std::unique_ptr<Optimizer> make_optimizer(ParameterArena& arena, const OptimOptions& options,
                                          const UpdateCounters& counters);  // the one of options.name

}  // namespace clip_hpc
