// For tests that run under mpirun: the one World of the test program.
#pragma once

#include "clip_hpc/comm/device.hpp"
#include "clip_hpc/comm/world.hpp"

namespace clip_hpc {

World& test_world();

// Where tensors of these tests lie: the CPU, or with CLIP_HPC_TEST_DEVICE=cuda this rank's GPU (tests labelled gpu).
const ComputeDevice& test_device();

}  // namespace clip_hpc
