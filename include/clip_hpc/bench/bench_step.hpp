// How fast one training step is on random pairs: the arithmetic of train/loop.cpp without a loader, a log or a disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/model/model_file.hpp"
#include "clip_hpc/run/bench_lines.hpp"
#include "clip_hpc/strategy/strategy.hpp"

namespace clip_hpc {

struct StepBenchOptions {
  ModelConfig model;
  std::int64_t global_batch = 128;
  std::int64_t text_tokens = 0;  // positions that are computed; 0: the model's context length
  double caption_tokens = 0;     // mean length of captions of different lengths, which are packed; 0: all are full
  bool pack_captions = true;     // false: computed up to the longest
  std::string device = "auto";   // as train.device
  std::string precision = "fp32";
  std::int64_t micro_batch = 0;  // 0: all rows of a rank at once
  std::int64_t loss_columns = 0;
  bool recompute = false;
  bool shard_optimizer = false;
  bool cuda_graph = false;
  StrategyOptions strategy;
  bool slip = false;
  double seconds = 10;  // measured after the steps in which memory is taken and kernels are chosen
  std::filesystem::path
      data;  // a packed set that a loader reads, one batch after the other; empty: one batch, over and over
  std::int64_t workers = 1;  // of the loader
};

// Of the ranks: `work_ms` is the step without its waits. In a step that ends together the slow rank is the one that
// works longest, and the others wait. On a GPU least, median and most are the mean: the host runs ahead.
// Means over the measured steps, of rank 0: on a GPU by the device's clock, on the CPU by the wall's.
struct StepRate {
  std::string device, attention, comm;
  std::int64_t steps = 0;
  double pairs_per_s = 0;         // all ranks
  double text_tokens = 0;         // that are computed for a caption, on average
  double step_ms = 0;             // wall time
  double prepare_ms = 0;          // FLIP's draw, the batch's way to the device, gradients to zero
  double forward_ms = 0;          // pixels, towers and loss, the gather included; 0 with micro-batches
  double backward_ms = 0;         // with what the gradient reduction adds; with micro-batches forward and backward
  double optimizer_ms = 0;        // norm, clip, AdamW; the whole step in a graph
  double comm_wait_ms = 0;        // waiting for collectives; part of forward and backward
  double data_wait_ms = 0;        // waiting for the loader
  double gap_ms = 0;              // wall time in which the device had none of the above to do
  double tflops = 0;              // a rank
  double gemm_tflops = 0;         // of a square product, measured in the same run
  std::int64_t rss_bytes = 0;     // of the largest rank
  std::int64_t device_bytes = 0;  // allocated at once on the GPU of the largest rank
  std::int64_t state_bytes = 0;   // master weights and moments of rank 0
  std::string graph_refusal;      // why there is no graph although one was asked for

  // What a scaling report needs.
  int nodes = 1;
  std::vector<RankTime> ranks;      // in rank order; on rank 0
  std::int64_t gradient_bytes = 0;  // summed over ranks in a step, in so many buckets
  std::int64_t gradient_buckets = 0;
  std::int64_t gather_bytes = 0;  // text features of the global batch, that each rank has in the end
  double gradients_alone_ms = 0;  // the same exchange with nothing beside it, slowest rank
  double gather_alone_ms = 0;     // features out and their gradients back, likewise
};

StepRate bench_step(World& world, const StepBenchOptions& options);  // collective

}  // namespace clip_hpc
