// Learning rate as a pure function of the step: linear warm-up, then cosine to zero, constant, or linear to zero.
#pragma once

#include <cstdint>
#include <string>

#include "clip_hpc/config/option_table.hpp"

namespace clip_hpc {

struct OptimOptions {
  std::string name = "adamw";
  double lr = 1e-3;
  double weight_decay = 0.1;
  double beta1 = 0.9;
  double beta2 = 0.98;
  double eps = 1e-6;
  double warmup = 0.05;
  std::string schedule = "cosine";
  double clip_norm = 1.0;
  double ema = 0;  // decay of the averaged weights; 0: none are kept
};
void describe(OptionTable& table, OptimOptions& options);

// warmup below 1: share of total_steps; from 1 on: steps.
std::int64_t warmup_steps(double warmup, std::int64_t total_steps);

// Step s counts from 0. Warm-up: lr (s + 1) / w for s < w. Cosine: lr (1 + cos(pi (s - w) / (total - w))) / 2.
double learning_rate(const OptimOptions& options, std::int64_t step, std::int64_t total_steps);

}  // namespace clip_hpc
