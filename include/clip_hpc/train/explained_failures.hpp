// What a run says when it fails, and with which exit code it may be submitted again.
#pragma once

#include <functional>

#include "clip_hpc/comm/device.hpp"
#include "clip_hpc/train/loop.hpp"

namespace clip_hpc {

// Calls `run`, which sets `began` when its first step is about to run. Memory that a GPU lacks becomes an error of the
// device that says what to try; a peer that is lost after `began` becomes one that a job script may submit again.
int with_explained_failures(World& world, const TrainRequest& request,
                            const std::function<int(const ComputeDevice& device, bool& began)>& run);

}  // namespace clip_hpc
