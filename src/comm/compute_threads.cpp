#include "clip_hpc/comm/compute_threads.hpp"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "clip_hpc/comm/world.hpp"

namespace clip_hpc {

int compute_threads(const World& world, std::int64_t asked) {
  if (asked > 0) return static_cast<int>(asked);
  if (const char* text = std::getenv("OMP_NUM_THREADS"); text != nullptr && std::atoi(text) > 0) return std::atoi(text);
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return std::max(1, cores / world.local_size());
}

}  // namespace clip_hpc
