// A depthwise convolution as training computes it, beside LibTorch's own: channels last and in planes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace clip_hpc {

struct ConvRate {
  const char* what = "";                   // "ours", "channels last", "planes"
  double forward_ms = 0, backward_ms = 0;  // medians
  double ms() const { return forward_ms + backward_ms; }
};

// Images [batch, side, side, channels], a kernel of kernel x kernel for each channel, gradients of all three inputs.
std::vector<ConvRate> bench_conv(std::int64_t batch, std::int64_t side, std::int64_t channels, std::int64_t kernel,
                                 at::ScalarType type, double seconds, const at::Device& device = at::kCPU);

}  // namespace clip_hpc
