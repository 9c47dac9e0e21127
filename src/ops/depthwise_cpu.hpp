// Depthwise convolutions of odd kernels on a CPU, at stride 1 with padding that keeps the size, over images whose
// channels lie last: a vector of channels is a vector of the processor. LibTorch's own pass to the weights is several
// times slower (`clip_hpc bench conv`).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <utility>

namespace clip_hpc {

// Whether LibTorch has code of its own for convolutions of this type on this processor: then it is faster forward.
bool has_fast_library(at::ScalarType type);

// x [batch, height, width, channels], contiguous, fp32 or bf16; weight [channels, 1, k, k] and bias [channels] (or
// none) of the same type. Sums in fp32, in an order that does not depend on the number of threads. -> x's shape
at::Tensor depthwise_cpu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, bool by_library);

// `grad`: of the result. The gradient by x; and by weight and bias.
at::Tensor depthwise_by_input_cpu(const at::Tensor& grad, const at::Tensor& weight, bool by_library);
std::pair<at::Tensor, at::Tensor> depthwise_by_weight_cpu(const at::Tensor& grad, const at::Tensor& x,
                                                          std::int64_t kernel);

}  // namespace clip_hpc
