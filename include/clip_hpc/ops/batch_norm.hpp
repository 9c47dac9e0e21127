// BatchNorm of images whose channels lie last, over the rows of all ranks (Ioffe and Szegedy 2015).
#pragma once

#include <ATen/ATen.h>

#include "clip_hpc/comm/communicator.hpp"

namespace clip_hpc {

struct BatchMoments {         // over all places of all rows of all ranks; fp32, or fp64 of fp64 inputs
  at::Tensor mean, variance;  // [channels]; the variance divided by their number
  at::Tensor count;           // scalar
};

// x [rows, ..., channels] -> the same shape. Collective in forward and in backward where `ranks` is not null; ranks may
// have different numbers of rows, or none. `moments` receives what running statistics are made of. `relu` sets what is
// below zero to zero, on a CPU in the same pass.
at::Tensor batch_norm_of_ranks(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, double eps,
                               Communicator* ranks, BatchMoments& moments, bool relu = false);

// By moments that are given: evaluation.
at::Tensor batch_norm_frozen(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                             const at::Tensor& mean, const at::Tensor& variance, double eps);

// running <- (1 - momentum) running + momentum new, in place; of the variance the unbiased one, as torch has it.
// Channels whose moments are not finite stay.
void update_running(const at::Tensor& mean, const at::Tensor& variance, const BatchMoments& moments, double momentum);

}  // namespace clip_hpc
