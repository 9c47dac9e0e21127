// Samples of a set that share a uid, as where one input is a copy of another: subsets would draw both or none, and a
// list of uids would select both. All but the first get another uid.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/data/packed/shard.hpp"

namespace clip_hpc {

struct Twin {
  std::uint64_t shard = 0, row = 0;    // of the later one
  std::array<std::uint64_t, 2> uid{};  // that it gets
};

inline constexpr std::uint64_t kTwinMemorySamples = std::uint64_t{8} << 20;  // looked at in one pass, 24 bytes each
inline constexpr std::size_t kMostTwins = 1'000'000;

// The twins among `shards` that fall to rank `rank` of `world`: each rank looks at its part of all possible uids. Reads
// the tables of uids once a pass; memory does not grow with the set. Throws input where a rank finds more than `most`:
// then an input is given twice.
std::vector<Twin> find_twins(const std::filesystem::path& folder, std::span<const ShardInfo> shards, int rank,
                             int world, std::uint64_t memory_samples = kTwinMemorySamples,
                             std::size_t most = kMostTwins);

std::string twins_to_text(const std::vector<Twin>& twins);  // for the other ranks
std::vector<Twin> twins_from_text(const std::string& text);

// Writes the uids of `twins`, all of this shard, and returns what the shard is now.
ShardInfo rename_twins(const std::filesystem::path& folder, const ShardInfo& shard,
                       const std::vector<std::string>& label_names, std::span<const Twin> twins);

}  // namespace clip_hpc
