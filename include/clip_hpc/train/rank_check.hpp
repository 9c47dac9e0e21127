// Do all ranks still hold the same weights? A processor or a link that fails in silence makes one of them drift.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/model/arena/parameters.hpp"

namespace clip_hpc {

// Of all bits of the weights, in the compute type; of the master too, where a rank has all of it. One pass on the
// device, one number read from it.
std::uint64_t hash_of_weights(ParameterArena& arena);

// Collective, with nothing on its way between the ranks. Throws device on all ranks, naming those that are not with the
// majority.
void check_ranks_agree(World& world, ParameterArena& arena, std::int64_t step);

// The ranks whose hash is not the commonest one; of two equally common ones, that of the lower rank counts.
std::vector<std::size_t> ranks_apart(const std::vector<std::string>& hashes);

}  // namespace clip_hpc
