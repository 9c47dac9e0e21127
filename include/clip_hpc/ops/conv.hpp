// Convolutions over images whose channels lie together: [batch, height, width, channels], as linear layers and norms
// want them. By oneDNN on a CPU and cuDNN on a GPU; depthwise ones on a CPU by src/ops/depthwise_cpu.hpp.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace clip_hpc {

struct ConvShape {
  std::int64_t stride = 1, padding = 0, groups = 1;
};

// x [batch, height, width, in], weight [out, in / groups, k, k] (torch's order), bias [out] or none
// -> [batch, height', width', out], contiguous.
at::Tensor conv_channels_last(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                              const ConvShape& shape);
// By LibTorch's convolution, for whatever shape, type and device.
at::Tensor conv_reference(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                          const ConvShape& shape);

}  // namespace clip_hpc
