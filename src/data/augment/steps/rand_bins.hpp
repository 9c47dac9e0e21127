// Policies where a magnitude is one of some bins: torchvision's RandAugment, TrivialAugmentWide, and AutoAugment with
// the policy of ImageNet.
#pragma once

#include "clip_hpc/data/augment/augment_step.hpp"

namespace clip_hpc {

inline constexpr int kRandBins = 31;

void draw_rand_torchvision(const AugmentStep& step, int side, RandomStream& random, OperationCalls& calls);
void draw_trivial(const AugmentStep& step, int side, RandomStream& random, OperationCalls& calls);
void draw_auto_imagenet(const AugmentStep& step, int side, RandomStream& random, OperationCalls& calls);

}  // namespace clip_hpc
