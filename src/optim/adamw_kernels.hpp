// AdamW's body on the device: what libclip_hpc_cuda.so brings to optim/optimizers/adamw.cpp.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "optim/adamw_math.hpp"

namespace clip_hpc {

// Of a whole arena or of elements [first, first + numel) of it; all on one device.
struct AdamWTensors {
  at::Tensor master, weights, gradients, m, v;
  std::int64_t first;
  at::Tensor ranges;    // [ranges, 2] int64: of range_table()
  at::Tensor norm, lr;  // fp64 scalars
  at::Tensor applied;   // int64 scalar: updates done, this one included
};

struct AdamWKernels {
  static constexpr const char* kSymbol = "clip_hpc_adamw_kernels";
  static constexpr std::uint32_t kAbi = 1;  // raise it with every change of what is declared here
  std::uint32_t abi;
  // The whole step without a word to the host; leaves all alone where the norm is not finite.
  void (*step)(const AdamWTensors& tensors, const AdamWRates& rates);
};

}  // namespace clip_hpc
