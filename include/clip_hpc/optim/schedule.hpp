// Learning rate as a pure function of the step: linear warm-up, then cosine to zero, constant, or linear to zero.
#pragma once

#include <cstdint>
#include <span>

#include "clip_hpc/optim/optim_options.hpp"

namespace clip_hpc {

struct Schedule {
  const char* name;
  const char* help;
  double (*rate)(double lr, double progress);  // lr: the highest; progress: from 0 after the warm-up to 1 at the end
};
std::span<const Schedule> schedules();

// warmup below 1: share of total_steps; from 1 on: steps.
std::int64_t warmup_steps(double warmup, std::int64_t total_steps);

// Step s counts from 0. Warm-up: lr (s + 1) / w for s < w. Cosine: lr (1 + cos(pi (s - w) / (total - w))) / 2.
double learning_rate(const OptimOptions& options, std::int64_t step, std::int64_t total_steps);

}  // namespace clip_hpc
