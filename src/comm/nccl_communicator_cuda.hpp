#pragma once

#include <memory>
#include <string>

#include "clip_hpc/comm/device_plane.hpp"

namespace clip_hpc {

std::string nccl_version();
std::unique_ptr<Communicator> make_nccl_communicator(World& world, const NcclCommunicatorOptions& options);

}  // namespace clip_hpc
