// A small arena with a decayed matrix, a bias and a limited scalar, and gradients for it.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <string>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/optim/gradient_norm.hpp"
#include "clip_hpc/optim/updater.hpp"

namespace clip_hpc::test {

inline constexpr std::int64_t kDecayed = 200;  // elements of the matrix, which comes first

// Elements: 200 decayed, 7 not, and a scalar within [0, ln 100].
inline ParameterArena small_arena(at::ScalarType compute, ArenaShare share = {}, at::Device device = at::kCPU) {
  ParameterArena arena;
  arena.declare("w", {40, 5}, {});
  arena.declare("b", {7}, {.decay = false});
  arena.declare("logit_scale", {}, {.decay = false, .limits = Range{0.0, std::log(100.0)}});
  arena.allocate(compute, device, share);
  const ArenaSlice held = arena.held();
  arena.master().copy_(at::linspace(-1, 1, arena.numel()).narrow(0, held.begin, held.size()));
  arena.refresh_weights();
  return arena;
}

inline at::Tensor gradient_of_step(std::int64_t step, std::int64_t n) {
  return (at::arange(n, at::kDouble) * (0.1 + 0.01 * static_cast<double>(step))).sin() * 3.0;
}

// One update with what lies in the arena's gradients.
inline void step(Updater& updater, double lr) {
  const auto comm = make_self_communicator();
  updater.step(gradient_norm(updater.arena, *comm),
               at::full({}, lr, at::TensorOptions(at::kDouble).device(updater.arena.master().device())), *comm);
}

inline at::Tensor buffer(Optimizer& optimizer, const std::string& name) {
  for (const NamedBuffer& one : optimizer.state()) {
    if (one.name == name) return one.tensor;
  }
  throw internal_error("no buffer is called {}", name);
}

}  // namespace clip_hpc::test
