// RandAugment where M is a level of 10: big_vision's (Google's TPU code) and timm's.
#pragma once

#include "clip_hpc/data/augment/augment_step.hpp"

namespace clip_hpc {

void draw_rand_big_vision(const AugmentStep& step, int side, RandomStream& random, OperationCalls& calls);
void draw_rand_timm(const AugmentStep& step, int side, RandomStream& random, OperationCalls& calls);

}  // namespace clip_hpc
