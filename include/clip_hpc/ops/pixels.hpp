// Pixels as an image tower sees them.
#pragma once

#include <ATen/ATen.h>

#include <array>

namespace clip_hpc {

// (x / 255 - mean) / std, per channel.
struct PixelNorm {
  std::array<double, 3> mean{0.48145466, 0.4578275, 0.40821073};
  std::array<double, 3> std{0.26862954, 0.26130258, 0.27577711};
};

// pixels uint8 [batch, 3, size, size] -> the same shape in the compute type.
at::Tensor normalise_pixels(const at::Tensor& pixels, const PixelNorm& norm, at::ScalarType compute);

}  // namespace clip_hpc
