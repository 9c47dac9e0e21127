// CPU bodies of fused_ops.hpp. Contiguous tensors, fp32 or bf16; arithmetic in fp32.
#pragma once

#include <ATen/ATen.h>

#include <utility>

namespace clip_hpc {

at::Tensor bias_gelu_cpu(const at::Tensor& x, const at::Tensor& bias, bool quick);
// The gradients by x and by bias; the second does not depend on the number of threads.
std::pair<at::Tensor, at::Tensor> bias_gelu_backward_cpu(const at::Tensor& grad, const at::Tensor& x,
                                                         const at::Tensor& bias, bool quick);

}  // namespace clip_hpc
