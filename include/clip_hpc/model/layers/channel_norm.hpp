// The norms of convolutional towers, over images whose channels lie last: BatchNorm over the rows of all ranks, or
// GroupNorm, which knows nothing of other rows.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

#include "clip_hpc/model/arena/parameters.hpp"
#include "clip_hpc/model/towers/tower.hpp"

namespace clip_hpc {

enum class NormKind { batch, group };

struct ChannelNorm {
  NormKind kind = NormKind::batch;
  std::size_t weight = 0, bias = 0;
  std::size_t running_mean = 0, running_var = 0;  // buffers of the arena; of BatchNorm alone
  double eps = 1e-5;
  std::int64_t groups = 32;

  // x [batch, ..., channels] -> the same shape. In a training pass BatchNorm is collective over pass.statistics and
  // moves its running statistics. `relu` sets what is below zero to zero.
  at::Tensor operator()(const ParameterArena& arena, const at::Tensor& x, const Pass& pass, bool relu = false) const;
};

// NAME.weight (`first` everywhere), NAME.bias, and of BatchNorm torch's buffers. `exported`: see ParameterTraits.
ChannelNorm declare_channel_norm(ParameterArena& arena, const std::string& name, std::int64_t channels, NormKind kind,
                                 double eps, double first = 1, bool exported = true);

}  // namespace clip_hpc
