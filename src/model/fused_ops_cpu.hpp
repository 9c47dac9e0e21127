// CPU bodies of fused_ops.hpp. Contiguous tensors, fp32 or bf16; arithmetic in fp32. Gradients of vectors (bias, gamma,
// beta) do not depend on the number of threads.
#pragma once

#include <ATen/ATen.h>

#include <utility>

#include "clip_hpc/model/fused_ops.hpp"

namespace clip_hpc {

at::Tensor bias_gelu_cpu(const at::Tensor& x, const at::Tensor& bias, bool quick);
// The gradients by x and by bias.
std::pair<at::Tensor, at::Tensor> bias_gelu_backward_cpu(const at::Tensor& grad, const at::Tensor& x,
                                                         const at::Tensor& bias, bool quick);

at::Tensor add_bias_cpu(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias);
at::Tensor column_sums_cpu(const at::Tensor& grad);  // [..., width] -> [width]

// mean and rstd: [rows] fp32, what backward needs of the rows of x.
struct NormOutputs {
  at::Tensor normed, mean, rstd;
};
NormOutputs layer_norm_cpu(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta);
struct AddNormOutputs {
  at::Tensor sum;
  NormOutputs norm;
};
AddNormOutputs add_layer_norm_cpu(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias,
                                  const at::Tensor& gamma, const at::Tensor& beta);

struct NormGradients {
  at::Tensor by_x, by_gamma, by_beta;
  at::Tensor by_bias;  // with by_sum only
};
// x: what was normalised. by_sum: the gradient that reaches x beside the normalised one (add_layer_norm), or undefined.
NormGradients layer_norm_backward_cpu(const at::Tensor& by_normed, const at::Tensor& by_sum, const at::Tensor& x,
                                      const at::Tensor& gamma, const at::Tensor& mean, const at::Tensor& rstd);

}  // namespace clip_hpc
