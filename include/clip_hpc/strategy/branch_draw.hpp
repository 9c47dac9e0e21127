// Stochastic depth's draw: which residual branches each sample skips in a training step.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>

namespace clip_hpc {

// `rates` [branches]: how often each is skipped, in [0, 1). A skipped branch has the factor 0, a kept one 1 / (1 -
// rate), so that its mean is 1. A pure function of (seed, row of the global batch): any number of ranks draws the same.
// -> [rows, branches] fp32, undefined where there are no branches.
at::Tensor draw_branch_scales(std::uint64_t seed, std::span<const std::uint64_t> rows, std::span<const double> rates);

}  // namespace clip_hpc
