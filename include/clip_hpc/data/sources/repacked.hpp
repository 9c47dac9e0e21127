// A packed set as a source: copied, with the captions of a share of its samples swapped. What a filter is worth can be
// measured on it, since it is known which pairs are wrong.
#pragma once

#include <cstdint>
#include <filesystem>

#include "clip_hpc/data/packed/pack.hpp"
#include "clip_hpc/data/sources/source.hpp"

namespace clip_hpc {

// Of a set with swapped captions: 1 where a sample's caption is that of another one, 0 where it is its own.
inline constexpr const char* kSwappedLabel = "label_swapped";

struct RepackOptions {
  std::filesystem::path input;
  double swapped = 0;  // share of the samples; each is drawn by itself, a pure function of seed and place
  std::uint64_t seed = 0;
};

// A shard is a part. Uids, labels, class names and templates go along. A swapped sample gets the captions of another
// one that differ from its own. Throws input where the set has no captions to swap, or is one of swapped captions.
PackSource open_repacked(const RepackOptions& options);

OpenSource declare_repacked(ArgumentTable& words);

}  // namespace clip_hpc
