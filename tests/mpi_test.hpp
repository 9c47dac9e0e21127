// For tests that run under mpirun: the one World of the test program.
#pragma once

#include "clip_hpc/comm/world.hpp"

namespace clip_hpc {

World& test_world();

}  // namespace clip_hpc
