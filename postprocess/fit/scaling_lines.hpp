// What clip_study scaling measured: the lines of clip_hpc bench step, comm, checkpoint and load at several world sizes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "clip_hpc/run/bench_lines.hpp"

namespace clip_hpc {

struct StepRecord {
  std::string label;  // weak, strong
  int ranks = 1, nodes = 1;
  std::string model, precision, device;
  double batch = 0;  // all ranks
  double step_ms = 0, pairs_per_s = 0;
  double gradient_bytes = 0, gradient_buckets = 1, gradients_alone_ms = 0;
  double gather_bytes = 0, gather_alone_ms = 0;
  std::vector<RankTime> rank_times;
  // Means over ranks: with what is left they make up the step.
  double work_ms() const;
  double comm_wait_ms() const;
  double data_wait_ms() const;
  double rows() const { return batch / ranks; }
  const RankTime& slowest() const;  // by work
};

struct CommRecord {
  std::string operation;
  int ranks = 1, nodes = 1;
  double bytes = 0, time_s = 0, busbw_mb_s = 0;
};

struct CheckpointRecord {
  int ranks = 1, nodes = 1;
  double bytes = 0, blocked_ms = 0, write_ms = 0, read_ms = 0;  // blocked: what a training waits
};

struct LoadRecord {
  std::string what;
  double threads = 0, samples_per_s = 0, mib_per_s = 0;
};

struct ScalingRecords {
  std::vector<StepRecord> steps;  // by label and ranks; of several of the same the last
  std::vector<CommRecord> comm;
  std::vector<CheckpointRecord> checkpoints;
  std::vector<LoadRecord> loads;
  std::vector<std::string> missing;  // points of scaling.json without a result
  std::vector<std::string> broken;   // FILE:LINE: why
};

// A folder of *.jsonl, or one such file. Throws input when there is none, or no step in it. A line that cannot be read
// is told in `broken` and left out.
ScalingRecords read_scaling(const std::filesystem::path& place);

}  // namespace clip_hpc
