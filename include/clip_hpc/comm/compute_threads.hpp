#pragma once

#include <cstdint>

namespace clip_hpc {

class World;

// Threads of a rank: as many as were asked for, else OMP_NUM_THREADS, else its part of the node's cores.
int compute_threads(const World& world, std::int64_t asked);

}  // namespace clip_hpc
