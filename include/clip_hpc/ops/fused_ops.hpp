// Pieces of a transformer block that are memory-bound, each in one pass forward and one backward. Every op has a
// reference made of LibTorch's operators, which also serves where no fused body exists. Tensors of one call have one
// type; x, delta [..., width]; bias, gamma, beta [width].
#pragma once

#include <ATen/ATen.h>

#include "clip_hpc/ops/gelu.hpp"

namespace clip_hpc {

// GELU(x + bias). The error function is Abramowitz and Stegun 7.1.26: absolute error below 2e-7.
at::Tensor bias_gelu(const at::Tensor& x, const at::Tensor& bias, Gelu kind);
at::Tensor bias_gelu_reference(const at::Tensor& x, const at::Tensor& bias, Gelu kind);

// x + (delta + bias), rounded once: the end of a residual branch whose last linear layer left its bias to this pass.
at::Tensor add_bias(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias);
at::Tensor add_bias_reference(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias);

inline constexpr double kNormEps = 1e-5;  // of LayerNorm, where a model does not say: torch's

// LayerNorm over the last dimension, statistics in fp32.
at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, double eps = kNormEps);
at::Tensor layer_norm_reference(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                                double eps = kNormEps);

// sum = add_bias(x, delta, delta_bias) and normed = layer_norm(sum, gamma, beta, eps) in one pass. Values and gradients
// have the bits of the two calls.
struct SumAndNorm {
  at::Tensor sum, normed;
};
SumAndNorm add_layer_norm(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& delta_bias,
                          const at::Tensor& gamma, const at::Tensor& beta, double eps = kNormEps);
SumAndNorm add_layer_norm_reference(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& delta_bias,
                                    const at::Tensor& gamma, const at::Tensor& beta, double eps = kNormEps);

}  // namespace clip_hpc
