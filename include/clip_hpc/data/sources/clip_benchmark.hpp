// CLIP_benchmark's folders of WebDataset tar files as a source for packing:
//   classnames.txt, zeroshot_classification_templates.txt   one a line, {c} stands for the class name
//   dataset_type.txt                                        "retrieval"; without it a classification
//   <split>/nshards.txt, <split>/0.tar, 1.tar, …            an image with cls (class from 0), or txt (one caption per
//   line)
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "clip_hpc/data/packed/pack.hpp"
#include "clip_hpc/data/sources/source.hpp"

namespace clip_hpc {

// Names of the folders that hold nshards.txt, sorted. Throws input when there is none.
std::vector<std::string> clip_benchmark_splits(const std::filesystem::path& folder);

// One tar becomes one shard. Nothing is skipped, since a test set with fewer samples is another one: a sample without
// image or class, or an image that cannot be decoded, throws storage; a class without a name, and a template without a
// place for the name, throw input. Images keep their bytes; captions are the lines of txt as Python counts lines, for a
// classification too where it has some.
PackSource open_clip_benchmark(const std::filesystem::path& folder, const std::string& split);

OpenSource declare_clip_benchmark(ArgumentTable& words);  // one set per split

}  // namespace clip_hpc
