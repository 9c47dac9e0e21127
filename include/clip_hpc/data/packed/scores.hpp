// How well image and text of each sample belong together: one number a sample, and what is kept by it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/data/packed/packed_set.hpp"

namespace clip_hpc {

// scores.h5: scores f32[n] in the order of the set; not a number: the sample cannot be used. Attributes: name and
// checksum of the set, and `about`, numbers and texts (the model that gave them).
void write_scores(const std::filesystem::path& path, const PackedSet& set, std::span<const float> scores,
                  const Json& about);

// Of write_scores, or a NumPy array (.npy) of n numbers. Throws storage for the scores of another set, and for a file
// that is damaged.
std::vector<float> read_scores(const std::filesystem::path& path, const PackedSet& set);

// The int(share * n) best of all, as ids ascending; of equal scores the smaller uid counts as better, so the choice
// does not depend on how the set is sharded. Samples without a score are never kept. Throws input when nothing is left.
std::vector<std::uint64_t> best_share(const PackedSet& set, std::span<const float> scores, double share);

std::vector<std::uint64_t> at_least(std::span<const float> scores, double least);  // ids ascending

// Samples whose uid is in a list of DataComp's subsets: .npy of two u64 an entry. `unknown`: entries that the set does
// not have. Throws storage.
std::vector<std::uint64_t> listed_uids(const PackedSet& set, const std::filesystem::path& path, std::uint64_t& unknown);

}  // namespace clip_hpc
