// CLIP_benchmark's folders of WebDataset tar files, to a packed set and back:
//   classnames.txt, zeroshot_classification_templates.txt   one a line, {c} stands for the class name
//   dataset_type.txt                                        "retrieval"; without it a classification
//   <split>/nshards.txt, <split>/0.tar, 1.tar, …            a picture with cls (class from 0), or txt (a caption a
//   line)
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "clip_hpc/data/packed/pack.hpp"
#include "clip_hpc/data/packed/packed_set.hpp"

namespace clip_hpc {

// Names of the folders that hold nshards.txt, sorted. Throws input when there is none.
std::vector<std::string> clip_benchmark_splits(const std::filesystem::path& folder);

// One tar becomes one shard. Nothing is skipped, since a test set with fewer samples is another one: a sample without
// picture or class, or a picture that cannot be decoded, throws storage; a class without a name, and a template
// without a place for the name, throw input. Pictures keep their bytes; captions are the lines of txt as Python counts
// lines, for a classification too where it has some.
PackSource open_clip_benchmark(const std::filesystem::path& folder, const std::string& split);

struct ClipBenchmarkTarget {
  std::filesystem::path folder;
  std::string split = "test";
  bool retrieval = false;       // a line of captions a sample; else a classification by `label`
  std::string label = "label";  // or label_<name>
};

// Side files and the folder of the split. Throws input when the split is there, or the folder is of another data set.
void prepare_clip_benchmark(const PackedSet& set, const ClipBenchmarkTarget& target);
// One shard becomes one tar: encoded pictures keep their bytes, raw pixels become PNG. The same set gives the same
// bytes.
void write_clip_benchmark_tar(const PackedSet& set, const ClipBenchmarkTarget& target, std::size_t shard);
void finish_clip_benchmark(const PackedSet& set, const ClipBenchmarkTarget& target);  // nshards.txt, last

std::vector<std::string> python_lines(const std::string& text);  // str.splitlines()

}  // namespace clip_hpc
