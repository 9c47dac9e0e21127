// The [data] section of a run's configuration.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace clip_hpc {

class OptionTable;

struct DataOptions {
  std::vector<std::string> train;    // "PATH" or "PATH@weight"
  std::string subset;                // subset.h5 of the one training set; empty: all samples
  std::vector<std::string> teacher;  // features.h5 of each training set
  bool allow_repeats = false;        // of a sample within a batch
  std::int64_t workers = 1;
  std::int64_t decode_size = 0;  // short side that a JPEG is at least decoded to; 0: full size
  std::int64_t loader_memory_mib = 256;
};

void describe(OptionTable& table, DataOptions& options);

struct WeightedPath {
  std::filesystem::path path;
  std::int64_t weight = 1;  // how often the set occurs in one epoch
};

// Splits "PATH@weight"; an '@' that no number follows belongs to the path, and a folder of the whole name is that
// folder. Throws input for a weight below 1.
WeightedPath parse_weighted_path(const std::string& text);

}  // namespace clip_hpc
