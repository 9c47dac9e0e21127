// AdamW in one pass over the arena: clip, moments, decay, update and the low-precision weights together.
// (Loshchilov and Hutter 2019; the arithmetic of torch.optim.AdamW.)
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "clip_hpc/model/arena/parameters.hpp"
#include "clip_hpc/optim/schedule.hpp"

namespace clip_hpc {

struct DecayRange {  // elements [begin, end) of the arena
  std::int64_t begin, end;
  bool decay;
};
std::vector<DecayRange> decay_ranges(const ParameterArena& arena);  // adjacent equal ranges are one

struct AdamWState {
  at::Tensor m, v;              // [held] fp32: of the elements that this rank updates
  at::Tensor ema;               // [held] fp32: averaged weights; not defined where none are kept
  at::Tensor applied;           // int64 scalar: updates done, the t of the bias correction
  at::Tensor skipped;           // int64 scalar: updates left out since the gradient was not finite
  at::Tensor skipped_in_a_row;  // int64 scalar: those since the last update
  std::vector<DecayRange> ranges;
  at::Tensor range_table;  // [ranges, 2] int64: end, and 1 where weight decay applies; what the device reads
};
// On the arena's device. `averages`: with room for the averaged weights, which begin as a copy of the first weights.
AdamWState make_adamw_state(ParameterArena& arena, bool averages = false);

// Global L2 norm of the gradients, fp64 scalar on the arena's device; not finite when any gradient is not. Collective
// when the optimizer's state is shared: each rank then adds up the elements that it holds.
at::Tensor gradient_norm(ParameterArena& arena, Communicator& comm);

// One update of the elements that this rank holds (afterwards arena.gather_weights) with gradients scaled to at most
// options.clip_norm; the average, if there is one, moves towards the result. Where the norm is not finite nothing
// changes but the counts of skipped steps. Afterwards the element `logit_scale` is clamped to [0, ln 100]. norm, lr:
// fp64 scalars on the arena's device, which is not waited for, so a graph can repeat the step with another lr.
void adamw_step(ParameterArena& arena, AdamWState& state, const at::Tensor& norm, const OptimOptions& options,
                const at::Tensor& lr, std::size_t logit_scale);
void adamw_step(ParameterArena& arena, AdamWState& state, const at::Tensor& norm, const OptimOptions& options,
                double lr, std::size_t logit_scale);

}  // namespace clip_hpc
