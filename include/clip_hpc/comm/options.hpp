#pragma once

#include <memory>
#include <string>

#include "clip_hpc/comm/communicator.hpp"

namespace clip_hpc {

class OptionTable;

struct CommOptions {  // [comm]
  std::string backend = "auto";
  double bucket_mib = 4;
  double timeout_s = 600;
  bool shard_optimizer = false;
};

void describe(OptionTable& table, CommOptions& options);

// Collective. auto: self for one rank, else mpi. Throws Error{device} for nccl where it cannot run.
std::unique_ptr<Communicator> make_communicator(World& world, const CommOptions& options);

}  // namespace clip_hpc
