// A scaling study: the same step on several numbers of nodes, weak (each rank keeps its batch) and strong (all ranks
// share one batch).
//   scaling.json  <point>.jsonl (complete)  <point>.part (at work, or failed)  jobs/submit_*.sh  log/
// The points are measured by jobs/scaling.slurm, in a job or on this machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/study/slurm.hpp"

namespace clip_hpc {

struct ScalingOptions {
  std::string model;
  std::int64_t batch = 0;         // pairs a rank
  std::int64_t global_batch = 0;  // of strong scaling; 0: weak scaling alone
  std::string precision = "fp32";
  std::string data;  // packed set that the steps read; empty: random pairs
  std::int64_t workers = 1;
  double seconds = 10;  // of a step benchmark
  double max_mib = 64;  // largest message of the collectives
  std::string parts = "comm step checkpoint load";
  bool operator==(const ScalingOptions&) const = default;
};

struct ScalingPoint {
  std::int64_t nodes = 1, ranks_per_node = 1;
  std::int64_t ranks() const { return nodes * ranks_per_node; }
  std::string name() const { return fmt::format("n{}x{}", nodes, ranks_per_node); }
  bool operator==(const ScalingPoint&) const = default;
};

struct ScalingPlan {
  ScalingOptions options;
  std::vector<ScalingPoint> points;  // by ranks
};

// "1,2,4,8": numbers from 1 on, each once, sorted. Throws input, naming `word`.
std::vector<std::int64_t> parse_sizes(const std::string& text, const char* word);

// Throws input where a value is out of range or the strong batch leaves a rank without a pair.
void check_scaling(const ScalingPlan& plan);

Json scaling_json(const ScalingPlan& plan);
ScalingPlan read_scaling_plan(const std::filesystem::path& file);  // throws input, storage

// The points that a folder has already, and these. Throws input when it was measured with other options.
ScalingPlan add_to_folder(const std::filesystem::path& folder, const ScalingPlan& plan);

bool is_complete(const std::filesystem::path& folder, const ScalingPoint& point);

// What jobs/scaling.slurm takes from the environment: NAME='value' ...
std::vector<std::string> scaling_environment(const std::filesystem::path& folder, const ScalingPlan& plan,
                                             const ScalingPoint& point);

// One sbatch a point, for a person to read, edit and run.
std::string scaling_script(const std::filesystem::path& folder, const ScalingPlan& plan,
                           const std::vector<ScalingPoint>& points, const std::string& time);

}  // namespace clip_hpc
