// Pieces of a transformer block that are memory-bound, each in one pass forward and one backward. Every op has a
// reference made of LibTorch's operators, which also serves where no fused body exists. Tensors of one call have one
// type; x, delta [..., width]; bias, gamma, beta [width].
#pragma once

#include <ATen/ATen.h>

namespace clip_hpc {

// GELU(x + bias), exact (erf), or with `quick` CLIP's x * sigmoid(1.702 x).
// The error function is Abramowitz and Stegun 7.1.26: absolute error below 2e-7.
at::Tensor bias_gelu(const at::Tensor& x, const at::Tensor& bias, bool quick);
at::Tensor bias_gelu_reference(const at::Tensor& x, const at::Tensor& bias, bool quick);

// x + (delta + bias), rounded once: the end of a residual branch whose last linear layer left its bias to this pass.
at::Tensor add_bias(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias);
at::Tensor add_bias_reference(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias);

// LayerNorm over the last dimension, eps 1e-5, statistics in fp32.
at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta);
at::Tensor layer_norm_reference(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta);
at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, double eps);  // LibTorch's

// sum = add_bias(x, delta, delta_bias) and normed = layer_norm(sum, gamma, beta) in one pass. Values and gradients have
// the bits of the two calls.
struct SumAndNorm {
  at::Tensor sum, normed;
};
SumAndNorm add_layer_norm(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& delta_bias,
                          const at::Tensor& gamma, const at::Tensor& beta);
SumAndNorm add_layer_norm_reference(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& delta_bias,
                                    const at::Tensor& gamma, const at::Tensor& beta);

}  // namespace clip_hpc
