// Operators that this project brings a device body of, as a table of plain functions over tensors. libclip_hpc_cuda.so
// fills one and exports it; whoever opens that library says so here, and operators on CUDA tensors use it from then on.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <utility>

namespace clip_hpc {

// Bodies of model/fused_ops.hpp: contiguous tensors of one type and device, fp32 or bf16; x, delta, grad [..., width],
// bias, gamma, beta [width]. Arithmetic in fp32, and the same bits every time.
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
  at::Tensor (*bias_gelu)(const at::Tensor& x, const at::Tensor& bias, bool quick);
  std::pair<at::Tensor, at::Tensor> (*bias_gelu_backward)(const at::Tensor& grad, const at::Tensor& x,
                                                          const at::Tensor& bias, bool quick);  // by x, by bias
  at::Tensor (*add_bias)(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias);
  at::Tensor (*column_sums)(const at::Tensor& grad);  // [..., width] -> [width]
  NormOutputs (*layer_norm)(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta);
  AddNormOutputs (*add_layer_norm)(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias,
                                   const at::Tensor& gamma, const at::Tensor& beta);
  // x: what was normalised. by_sum: the gradient that reaches x beside the normalised one (add_layer_norm), or
  // undefined.
  NormGradients (*layer_norm_backward)(const at::Tensor& by_normed, const at::Tensor& by_sum, const at::Tensor& x,
                                       const at::Tensor& gamma, const at::Tensor& mean, const at::Tensor& rstd);
};

struct AdamWRates;  // src/optim/adamw_math.hpp

// Of a whole arena or of elements [first, first + numel) of it; all on one device.
struct AdamWTensors {
  at::Tensor master, weights, gradients, m, v;
  at::Tensor ema;  // averaged weights; not defined: none are kept
  std::int64_t first;
  at::Tensor ranges;    // [ranges, 2] int64: end in the arena, and 1 where weight decay applies
  at::Tensor norm, lr;  // fp64 scalars
  at::Tensor applied, skipped, skipped_in_a_row;  // int64 scalars
};

inline constexpr std::uint32_t kDeviceKernelsAbi = 3;  // raise it with every change of DeviceKernels

struct DeviceKernels {
  std::uint32_t abi;
  FusedBodies fused;
  std::int64_t widest_row;  // of the norms
  // bytes uint8 [batch, 3, h, w], contiguous -> byte * scale + shift of its channel, in `type`.
  at::Tensor (*normalise_pixels)(const at::Tensor& bytes, std::array<float, 3> scale, std::array<float, 3> shift,
                                 at::ScalarType type);
  // The whole step without a word to the host: counts it, leaves all else alone where the norm is not finite.
  void (*adamw_step)(const AdamWTensors& tensors, const AdamWRates& rates, std::int64_t logit_scale);
};

const DeviceKernels* device_kernels();  // null: no device library is open
void set_device_kernels(const DeviceKernels* kernels);

}  // namespace clip_hpc
