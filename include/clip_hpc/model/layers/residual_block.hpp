// What a ResNet's residual block is made of: convolutions, each with its norm, and one more on the shortcut where sizes
// differ.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "clip_hpc/model/layers/affine.hpp"
#include "clip_hpc/model/layers/channel_norm.hpp"

namespace clip_hpc {

struct NormedConv {
  Affine kernel;
  ChannelNorm norm;
};

struct ResidualBlock {
  std::vector<NormedConv> convs;  // a bottleneck has three, a basic block two
  std::optional<NormedConv> downsample;
  std::int64_t stride = 1;
};

}  // namespace clip_hpc
