// Tensors that Adafactor factors in every way it has, and how.
#pragma once

#include <ATen/ATen.h>

#include "clip_hpc/model/arena/parameters.hpp"

namespace clip_hpc::test {

inline ParameterArena mixed_arena(at::ScalarType compute, ArenaShare share = {}) {
  ParameterArena arena;
  arena.factor_as(arena.declare("in_proj", {3 * 64, 48}, {}), {3, 2, 32, 48});  // two heads
  arena.factor_as(arena.declare("out_proj", {48, 64}, {}), {48, 2, 32});
  arena.declare("conv", {40, 33, 3, 3}, {});
  arena.declare("patches", {40, 3, 8, 8}, {.decay = false});  // not factored
  arena.declare("bias", {41}, {.decay = false});
  arena.declare("mlp", {70, 33}, {});
  arena.declare("thin", {40, 5}, {});  // not factored
  arena.allocate(compute, at::kCPU, share);
  const ArenaSlice held = arena.held();
  arena.master().copy_(at::linspace(-1, 1, arena.numel()).narrow(0, held.begin, held.size()));
  arena.refresh_weights();
  return arena;
}

// Gradients of sizes that differ between rows and between steps.
inline at::Tensor mixed_gradient(std::int64_t step, std::int64_t n) {
  const at::Tensor i = at::arange(n, at::kDouble);
  return (i * (0.1 + 0.01 * static_cast<double>(step))).sin() * (0.3 + (i * 0.013).cos().square());
}

}  // namespace clip_hpc::test
