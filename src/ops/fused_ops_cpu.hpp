// CPU bodies of fused_ops.hpp, as FusedBodies wants them. Gradients of vectors (bias, gamma, beta) do not depend on the
// number of threads.
#pragma once

#include <ATen/ATen.h>

#include <utility>

#include "ops/fused_ops_kernels.hpp"

namespace clip_hpc {

at::Tensor bias_gelu_cpu(const at::Tensor& x, const at::Tensor& bias, Gelu kind);
// The gradients by x and by bias.
std::pair<at::Tensor, at::Tensor> bias_gelu_backward_cpu(const at::Tensor& grad, const at::Tensor& x,
                                                         const at::Tensor& bias, Gelu kind);

at::Tensor add_bias_cpu(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias);
at::Tensor column_sums_cpu(const at::Tensor& grad);  // [..., width] -> [width]

NormOutputs layer_norm_cpu(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, double eps);
AddNormOutputs add_layer_norm_cpu(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias,
                                  const at::Tensor& gamma, const at::Tensor& beta, double eps);

NormGradients layer_norm_backward_cpu(const at::Tensor& by_normed, const at::Tensor& by_sum, const at::Tensor& x,
                                      const at::Tensor& gamma, const at::Tensor& mean, const at::Tensor& rstd);

}  // namespace clip_hpc
