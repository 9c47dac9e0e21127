// GroupNorm of images whose channels lie last (Wu and He 2018).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace clip_hpc {

// x [rows, height, width, channels] -> the same shape: mean and variance of a row's places and a group's channels.
// `relu` sets what is below zero to zero in the same pass. On a CPU fp32 and bf16 go through kernels of our own, whose
// results do not depend on the number of threads; all else through LibTorch's.
at::Tensor group_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, std::int64_t groups,
                      double eps, bool relu);

// LibTorch's, which wants planes: what ours is compared with.
at::Tensor group_norm_reference(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                                std::int64_t groups, double eps, bool relu);

}  // namespace clip_hpc
