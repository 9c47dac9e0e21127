// Device bodies of fused_ops.hpp and of the pixels' normalisation: what libclip_hpc_cuda.so brings to `ops`.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <utility>

#include "clip_hpc/ops/gelu.hpp"

namespace clip_hpc {

// Contiguous tensors of one type and device, fp32 or bf16; x, delta, grad [..., width], bias, gamma, beta [width].
// Arithmetic in fp32, and the same bits every time.
struct NormOutputs {
  at::Tensor normed, mean, rstd;  // mean, rstd: [rows] fp32, what backward needs of the rows of x
};
struct AddNormOutputs {
  at::Tensor sum;
  NormOutputs norm;
};
struct NormGradients {
  at::Tensor by_x, by_gamma, by_beta;
  at::Tensor by_bias;  // with by_sum only
};
struct FusedBodies {
  at::Tensor (*bias_gelu)(const at::Tensor& x, const at::Tensor& bias, Gelu kind);
  std::pair<at::Tensor, at::Tensor> (*bias_gelu_backward)(const at::Tensor& grad, const at::Tensor& x,
                                                          const at::Tensor& bias, Gelu kind);  // by x, by bias
  at::Tensor (*add_bias)(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias);
  at::Tensor (*column_sums)(const at::Tensor& grad);  // [..., width] -> [width]
  NormOutputs (*layer_norm)(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, double eps);
  AddNormOutputs (*add_layer_norm)(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias,
                                   const at::Tensor& gamma, const at::Tensor& beta, double eps);
  // x: what was normalised. by_sum: the gradient that reaches x beside the normalised one (add_layer_norm), or
  // undefined.
  NormGradients (*layer_norm_backward)(const at::Tensor& by_normed, const at::Tensor& by_sum, const at::Tensor& x,
                                       const at::Tensor& gamma, const at::Tensor& mean, const at::Tensor& rstd);
};

struct FusedOpsKernels {
  static constexpr const char* kSymbol = "clip_hpc_fused_ops_kernels";
  static constexpr std::uint32_t kAbi = 2;  // raise it with every change of what is declared here
  std::uint32_t abi;
  FusedBodies bodies;
  std::int64_t widest_row;  // of the norms
  // bytes uint8 [batch, 3, h, w], contiguous -> byte * scale + shift of its channel, in `type`.
  at::Tensor (*normalise_pixels)(const at::Tensor& bytes, std::array<float, 3> scale, std::array<float, 3> shift,
                                 at::ScalarType type);
};

}  // namespace clip_hpc
