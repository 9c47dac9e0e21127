// The head of a self-supervised term, SLIP's image_mlp: two hidden layers with BatchNorm over all ranks and ReLU, and a
// third matrix. It is trained and kept in checkpoints, and is no part of the model that other programs read.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "clip_hpc/model/arena/parameters.hpp"
#include "clip_hpc/model/head_size.hpp"
#include "clip_hpc/model/layers/affine.hpp"
#include "clip_hpc/model/layers/channel_norm.hpp"

namespace clip_hpc {

class ProjectionHead {
 public:
  // image_mlp.layer1 to layer3, image_mlp.bn1 and bn2, over features [rows, in].
  ProjectionHead(ParameterArena& arena, std::int64_t in, const HeadSize& size);

  // features [rows, in] -> [rows, width]. Collective over pass.statistics in a training pass.
  at::Tensor operator()(const ParameterArena& arena, const at::Tensor& features, const Pass& pass) const;

  std::vector<std::size_t> parameters() const;
  double macs() const { return macs_; }  // of one row

 private:
  Affine layer1_, layer2_, layer3_;
  ChannelNorm norm1_, norm2_;
  double macs_ = 0;
};

}  // namespace clip_hpc
