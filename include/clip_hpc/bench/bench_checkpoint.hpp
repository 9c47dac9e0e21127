// How fast a checkpoint of a model is written and read back on all ranks: what train/saver.cpp saves, without the
// run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/model/model_file.hpp"

namespace clip_hpc {

struct CheckpointBenchOptions {
  ModelConfig model;
  std::filesystem::path folder;  // on the file system in question: made, and removed at the end
  std::int64_t rounds = 3;       // after one that does not count
  bool shard_optimizer = false;
};

struct CheckpointRate {
  std::int64_t bytes = 0;  // of one checkpoint, all files
  double blocked_ms = 0;   // of it, what a training waits: until the state is copied
  double write_ms = 0;     // synced to disk; median of the rounds, slowest rank
  double read_ms = 0;      // likewise, checksums included; as a rule out of the page cache of whoever wrote it
};

CheckpointRate bench_checkpoint(World& world, const CheckpointBenchOptions& options);  // collective; throws storage

}  // namespace clip_hpc
