// How fast one training step is on random pairs: the arithmetic of train/loop.cpp without a loader, a log or a disk.
#pragma once

#include <cstdint>
#include <string>

#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/model/config.hpp"
#include "clip_hpc/strategy/strategy.hpp"

namespace clip_hpc {

struct StepBenchOptions {
  ModelConfig model;
  std::int64_t global_batch = 128;
  std::int64_t text_tokens = 0;  // positions that are computed; 0: the model's context length
  std::string precision = "fp32";
  std::int64_t micro_batch = 0;  // 0: all rows of a rank at once
  std::int64_t loss_columns = 0;
  bool recompute = false;
  bool shard_optimizer = false;
  StrategyOptions strategy;
  double seconds = 10;  // measured after two steps that are not
};

struct StepRate {  // wall time of rank 0, means over the measured steps
  std::int64_t steps = 0;
  double pairs_per_s = 0;  // all ranks
  double step_ms = 0;
  double prepare_ms = 0;         // FLIP's draw, gradients to zero
  double forward_ms = 0;         // pixels, towers and loss, the gather included; 0 with micro-batches
  double backward_ms = 0;        // with what the gradient reduction adds; with micro-batches forward and backward
  double optimizer_ms = 0;       // norm, clip, AdamW
  double comm_wait_ms = 0;       // blocked in collectives; part of forward and backward
  double tflops = 0;             // a rank
  double gemm_tflops = 0;        // of a square product, measured in the same run
  std::int64_t rss_bytes = 0;    // of the largest rank
  std::int64_t state_bytes = 0;  // master weights and moments of rank 0
};

StepRate bench_step(World& world, const StepBenchOptions& options);  // collective

}  // namespace clip_hpc
