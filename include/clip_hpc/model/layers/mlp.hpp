// Two matrices with GELU between them, as timm calls them: NAME.fc1, NAME.fc2.
#pragma once

#include <ATen/ATen.h>

#include "clip_hpc/model/layers/affine.hpp"
#include "clip_hpc/ops/gelu.hpp"

namespace clip_hpc {

struct Mlp {
  Affine fc1, fc2;  // both with biases

  at::Tensor operator()(const ParameterArena& arena, const at::Tensor& x, Gelu activation) const;  // [..., width]
};

}  // namespace clip_hpc
