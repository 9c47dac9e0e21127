// Collectives timed as nccl-tests times them: many in a row, the slowest rank counts, and every sum is checked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/comm/world.hpp"

namespace clip_hpc {

struct CommRate {
  std::string operation;   // all_reduce, start_all_reduce, all_gather, reduce_scatter, broadcast
  std::int64_t bytes = 0;  // of the larger of the two buffers
  std::int64_t rounds = 0;
  double us = 0;           // one operation
  double algbw_mb_s = 0;   // bytes / time
  double busbw_mb_s = 0;   // what each link carried: comparable with its speed, whatever the number of ranks
  std::int64_t wrong = 0;  // elements with a wrong value, on all ranks
};

// Collective. fp32 messages of about `bytes` (rounded to a whole number of elements for each rank), each operation for
// about `seconds`.
std::vector<CommRate> bench_comm(World& world, Communicator& comm, std::int64_t bytes, double seconds,
                                 const at::Device& device = at::kCPU);

}  // namespace clip_hpc
