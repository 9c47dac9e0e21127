// The length of the gradient of all parameters.
#pragma once

#include "clip_hpc/model/arena/parameters.hpp"

namespace clip_hpc {

// Global L2 norm of the gradients, fp64 scalar on the arena's device; not finite when any gradient is not. Collective
// when the optimizer's state is shared: each rank then adds up the elements that it holds.
at::Tensor gradient_norm(ParameterArena& arena, Communicator& comm);

}  // namespace clip_hpc
