#include "clip_hpc/optim/average.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "clip_hpc/base/vector_clones.hpp"

namespace clip_hpc {
namespace {

// How far the average moves towards the weights in update t.
double step_length(double decay, double t) { return 1.0 - std::min(decay, (1.0 + t) / (10.0 + t)); }

__attribute__((always_inline)) inline void move_each(float* average, const float* weights, std::int64_t n, float step) {
  for (std::int64_t i = 0; i < n; ++i) average[i] = average[i] + step * (weights[i] - average[i]);
}

CLIP_HPC_VECTOR_CLONES
void move_wide(float* average, const float* weights, std::int64_t n, float step) {
  move_each(average, weights, n, step);
}

void move_parallel(float* average, const float* weights, std::int64_t n, float step) {
  constexpr std::int64_t kGrain = 16384;
  at::parallel_for(0, n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    move_wide(average + begin, weights + begin, end - begin, step);
  });
}

void move_on_cpu(at::Tensor& average, ParameterArena& arena, float step) {
  const ArenaSlice held = arena.held();
  float* const to = average.data_ptr<float>();
  const float* const from = arena.master().const_data_ptr<float>();
  std::int64_t done = 0;
  // Single numbers as the logit scale by plain code: wide code may fuse the product and the sum, and a run that was
  // begun by another build goes on to the same bits.
  for (const LimitedRange& range : arena.limited()) {
    const std::int64_t begin = std::max(range.offset, held.begin) - held.begin;
    const std::int64_t end = std::min(range.offset + range.numel, held.end) - held.begin;
    if (begin >= end) continue;  // another rank's
    move_parallel(to + done, from + done, begin - done, step);
    move_each(to + begin, from + begin, end - begin, step);
    done = end;
  }
  move_parallel(to + done, from + done, held.size() - done, step);
}

}  // namespace

WeightAverage::WeightAverage(ParameterArena& arena, double decay) : arena_(arena), decay_(decay) {
  if (decay > 0) average_ = arena.master().clone();
}

void WeightAverage::restart() {
  if (is_kept()) average_.copy_(arena_.master());
}

void WeightAverage::update(const at::Tensor& norm, const UpdateCounters& counters) {
  if (!is_kept()) return;
  const at::NoGradGuard no_grad;
  if (norm.is_cpu()) {
    if (!std::isfinite(norm.item<double>())) return;
    const auto t = static_cast<double>(counters.applied.item<std::int64_t>());
    return move_on_cpu(average_, arena_, static_cast<float>(step_length(decay_, t)));
  }
  const at::Tensor t = counters.applied.to(at::kDouble);
  const at::Tensor step = 1.0 - ((1.0 + t) / (10.0 + t)).clamp_max(decay_);
  average_.lerp_(arena_.master(), (step * norm.isfinite()).to(at::kFloat));
}

void WeightAverage::exchange(Communicator& comm) {
  if (!is_kept()) return;
  const at::Tensor trained = arena_.master().clone();
  arena_.master().copy_(average_);
  average_.copy_(trained);
  arena_.refresh_weights();
  arena_.gather_weights(comm);
}

}  // namespace clip_hpc
