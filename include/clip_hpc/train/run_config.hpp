// Everything a training run is told: one struct a section of the INI file, each declared by its own room.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "clip_hpc/checkpoint/checkpoint.hpp"
#include "clip_hpc/comm/comm_options.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "clip_hpc/data/data_options.hpp"
#include "clip_hpc/eval/eval_options.hpp"
#include "clip_hpc/model/model_file.hpp"
#include "clip_hpc/optim/schedule.hpp"
#include "clip_hpc/run/run_options.hpp"
#include "clip_hpc/strategy/strategy.hpp"

namespace clip_hpc {

// A thousand times what anyone has trained on: beyond it is a slip of the keyboard, and sums of it would not fit.
inline constexpr std::int64_t kMostSamples = 1'000'000'000'000'000;

struct TrainOptions {
  std::int64_t samples = 0;
  double epochs = 1;
  std::int64_t global_batch = 256;
  std::int64_t micro_batch = 0;
  std::int64_t loss_columns = 16384;
  bool recompute = false;
  std::string device = "auto";
  std::string precision = "fp32";
  bool cuda_graph = false;
  bool pack_captions = true;
  std::int64_t threads = 0;
  bool deterministic = true;
  bool forbid_waits = false;
  std::int64_t check_ranks_every = 1000;
  std::int64_t non_finite_limit = 10;
};
void describe(OptionTable& table, TrainOptions& options);

struct RunConfig {
  RunOptions run;
  DataOptions data;
  ModelOptions model;
  StrategyOptions strategy;
  OptimOptions optim;
  TrainOptions train;
  CommOptions comm;
  CheckpointOptions checkpoint;
  EvalOptions eval;
};
void describe(OptionTable& table, RunConfig& config);  // all sections, in the order of docs/config.md

}  // namespace clip_hpc
