// What a ResNet's residual block is made of: three convolutions, each with its norm, and a fourth on the shortcut where
// sizes differ.
#pragma once

#include <cstdint>
#include <optional>

#include "clip_hpc/model/layers/affine.hpp"
#include "clip_hpc/model/layers/channel_norm.hpp"

namespace clip_hpc {

struct NormedConv {
  Affine kernel;
  ChannelNorm norm;
};

struct Bottleneck {
  NormedConv conv1, conv2, conv3;
  std::optional<NormedConv> downsample;
  std::int64_t stride = 1;
};

}  // namespace clip_hpc
