// Stochastic depth (Huang et al. 2016): in training a sample skips a residual branch now and then, and what it does not
// skip counts the more. Which branches is drawn where the batch is made (strategy/branch_draw.hpp) and comes as
// factors.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "clip_hpc/model/towers/tower.hpp"

namespace clip_hpc {

// Of `blocks` blocks with `branches` branches each, from 0 to `deepest`, the same for a block's branches, as timm has
// it in most towers. None where `deepest` is 0.
std::vector<double> rising_rates(double deepest, std::int64_t blocks, std::int64_t branches);

// delta [batch, ...] times the factors of this branch; as it is where the pass has none.
at::Tensor scaled_branch(const Pass& pass, std::int64_t branch, const at::Tensor& delta);

}  // namespace clip_hpc
