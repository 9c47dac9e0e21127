// The run folder: the one place that knows its file names. clip_hpc writes it; clip_study and clip_report read it.
//   config.cfg  provenance.json  metrics.jsonl  results.json  results_follow.json  log.txt  checkpoints/step_000000123/
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace clip_hpc {

inline constexpr const char* kFollowResults = "results_follow.json";
inline constexpr const char* kAsideMark = ".aside_";  // RUN.aside_TIME: kept when a run of that name began anew

struct RunFolder {
  std::filesystem::path path;
  // Each file of results has one writer at a time: training and `clip_hpc eval` write results.json, the job that
  // follows a run writes kFollowResults. read_run_results reads them all.
  std::filesystem::path results = "results.json";

  std::filesystem::path config_file() const { return path / "config.cfg"; }
  std::filesystem::path provenance_file() const { return path / "provenance.json"; }
  std::filesystem::path metrics_file() const { return path / "metrics.jsonl"; }
  std::filesystem::path results_file() const { return path / results; }
  std::filesystem::path lease_file() const { return path / "trainer.lease"; }  // who trains here, while somebody does
  std::filesystem::path roll_call_dir() const { return path / "roll_call"; }   // of ranks that hang
  std::filesystem::path log_file() const { return path / "log.txt"; }
  std::filesystem::path checkpoints_dir() const { return path / "checkpoints"; }
  std::filesystem::path checkpoint_path(std::int64_t step) const;  // checkpoints/step_%09d

  void create() const;  // the folder and checkpoints/; fine if they exist; throws storage
  bool exists() const;  // holds at least one of the files above

  // Steps that have a checkpoint folder, ascending. Whether one is complete is for checkpoint to say.
  std::vector<std::int64_t> checkpoint_steps() const;
};

// `root` itself when it is a run folder, else all run folders below it (three levels), sorted by path.
// Runs that were set aside are left out. Throws input when `root` is not a folder.
std::vector<RunFolder> find_run_folders(const std::filesystem::path& root);

}  // namespace clip_hpc
