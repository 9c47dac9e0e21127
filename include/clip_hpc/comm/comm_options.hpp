#pragma once

#include <memory>
#include <string>

#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/comm/device.hpp"

namespace clip_hpc {

class OptionTable;

struct CommOptions {  // [comm]
  std::string backend = "auto";
  double bucket_mib = 4;
  double timeout_s = 600;
  std::string reduce_precision = "gradient";
  bool shard_optimizer = false;
};

void describe(OptionTable& table, CommOptions& options);

// Collective. auto: self for one rank; nccl where every rank has a GPU of its own; else mpi, which moves tensors of a
// GPU through the host. Throws device for nccl without a GPU, and comm for two ranks on one.
std::unique_ptr<Communicator> make_communicator(World& world, const CommOptions& options,
                                                const ComputeDevice& device = {});

}  // namespace clip_hpc
