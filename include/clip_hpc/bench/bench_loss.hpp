// Time and memory of a term of the loss on one rank of a global batch whose other ranks are simulated: what is
// gathered, computed and held is that of training. Forward and backward, all columns at once and a block of columns at
// a time.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "clip_hpc/loss/terms/term.hpp"

namespace clip_hpc {

struct LossRate {
  std::int64_t global = 0, rows = 0, dim = 0;
  std::int64_t columns = 0;                // 0: all at once
  double forward_ms = 0, backward_ms = 0;  // medians
  double peak_bytes = 0;                   // of tensors, at most, beside the features themselves
  double macs = 0;                         // multiply-adds, forward and backward
  double largest_difference = 0;  // of a gradient from the plain loss's, over the largest gradient; 0 for the plain one
};

// One line for the plain loss (left out where its logits would take more than `plain_limit_bytes`) and one for
// `columns`. `global` is a multiple of `rows`.
std::vector<LossRate> bench_loss(const LossTerm& term, std::int64_t global, std::int64_t rows, std::int64_t dim,
                                 std::int64_t columns, double seconds, double plain_limit_bytes,
                                 const at::Device& device = at::kCPU);

}  // namespace clip_hpc
