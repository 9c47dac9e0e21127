// Nested subsets: the samples with the smallest keyed hash of their uid, so a smaller subset of the same seed lies
// inside every larger one, and the draw does not depend on how the set is sharded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "clip_hpc/data/packed/packed_set.hpp"

namespace clip_hpc {

std::vector<std::uint64_t> draw_subset(const PackedSet& set, std::uint64_t count, std::uint64_t seed);  // ascending
// Of these samples only. Throws input when there are fewer.
std::vector<std::uint64_t> draw_subset(const PackedSet& set, std::span<const std::uint64_t> of, std::uint64_t count,
                                       std::uint64_t seed);

// subset.h5: ids u64[n] ascending, uid u64[n][2], and the name and checksum of the set that they belong to.
void write_subset(const std::filesystem::path& path, const PackedSet& set, const std::vector<std::uint64_t>& ids);
std::vector<std::uint64_t> read_subset(const std::filesystem::path& path, const PackedSet& set);  // throws storage

}  // namespace clip_hpc
