// Elementwise pieces of a transformer block that are memory-bound, each in one pass forward and one backward. Every op
// has a reference made of LibTorch's operators, which also serves where no fused body exists.
#pragma once

#include <ATen/ATen.h>

namespace clip_hpc {

// GELU(x + bias), exact (erf), or with `quick` CLIP's x * sigmoid(1.702 x). x [..., width], bias [width], one type.
// The error function is Abramowitz and Stegun 7.1.26: absolute error below 2e-7.
at::Tensor bias_gelu(const at::Tensor& x, const at::Tensor& bias, bool quick);
at::Tensor bias_gelu_reference(const at::Tensor& x, const at::Tensor& bias, bool quick);

}  // namespace clip_hpc
