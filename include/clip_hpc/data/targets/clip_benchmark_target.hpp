// A packed set as a folder that CLIP_benchmark evaluates: what data/sources/clip_benchmark.hpp reads.
#pragma once

#include <filesystem>
#include <string>

#include "clip_hpc/data/packed/packed_set.hpp"
#include "clip_hpc/data/targets/target.hpp"

namespace clip_hpc {

struct ClipBenchmarkTarget {
  std::filesystem::path folder;
  std::string split = "test";
  bool retrieval = false;       // one line of captions per sample; else a classification by `label`
  std::string label = "label";  // or label_<name>
};

// Side files and the folder of the split. Throws input when the split is there, or the folder is of another data set.
void prepare_clip_benchmark(const PackedSet& set, const ClipBenchmarkTarget& target);
// One shard becomes one tar: encoded images keep their bytes, raw pixels become PNG. The same set gives the same bytes.
void write_clip_benchmark_tar(const PackedSet& set, const ClipBenchmarkTarget& target, std::size_t shard);
void finish_clip_benchmark(const PackedSet& set, const ClipBenchmarkTarget& target);  // nshards.txt, last

OpenTarget declare_clip_benchmark_target(ArgumentTable& words);

}  // namespace clip_hpc
