// The steps of SimCLR's views, as SLIP and torchvision take them.
#pragma once

#include "clip_hpc/data/augment/augment_step.hpp"

namespace clip_hpc {

void draw_jitter(const AugmentStep& step, int side, RandomStream& random, OperationCalls& calls);
void draw_grey(const AugmentStep& step, int side, RandomStream& random, OperationCalls& calls);
void draw_blur(const AugmentStep& step, int side, RandomStream& random, OperationCalls& calls);

}  // namespace clip_hpc
