// A convolutional stem before a Vision Transformer (Xiao et al. 2021, arXiv 2106.14881): 3 x 3 kernels that halve the
// side, each followed by LayerNorm over channels and GELU, in the place of one large patch kernel.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "clip_hpc/model/layers/affine.hpp"
#include "clip_hpc/model/layers/layer_norm.hpp"

namespace clip_hpc {

struct ConvStem {
  struct Step {
    Affine conv;
    LayerNorm norm;
  };
  std::vector<Step> steps;

  // pixels [batch, 3, size, size] -> [batch, channels, size / 2^steps, size / 2^steps], channels last in memory
  at::Tensor operator()(const ParameterArena& arena, const at::Tensor& pixels) const;
};

// `channels`: of each step.
ConvStem declare_conv_stem(ParameterArena& arena, const std::string& name, const std::vector<std::int64_t>& channels);

double conv_stem_macs(const std::vector<std::int64_t>& channels, std::int64_t size);  // of an image

}  // namespace clip_hpc
