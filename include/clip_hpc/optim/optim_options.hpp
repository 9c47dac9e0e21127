// What a user may say about the update of the weights.
#pragma once

#include <cstdint>
#include <string>

#include "clip_hpc/config/option_table.hpp"

namespace clip_hpc {

struct OptimOptions {
  std::string name = "adamw";
  double lr = 1e-3;
  double weight_decay = 0.1;
  bool decay_positions = false;
  double layer_decay = 1;
  double beta1 = 0.9;
  double beta2 = 0.98;
  double eps = 1e-6;
  bool nesterov = false;
  double warmup = 0.05;
  std::int64_t warmup_samples = 0;  // 0: warmup decides
  std::string schedule = "cosine";
  double rsqrt_timescale = 10000;  // steps
  double cooldown = 0;
  std::string cooldown_shape = "linear";
  double clip_norm = 1.0;
  double ema = 0;  // decay of the averaged weights; 0: none are kept
};
void describe(OptionTable& table, OptimOptions& options);

}  // namespace clip_hpc
