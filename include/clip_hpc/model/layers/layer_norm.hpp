// LayerNorm over the last dimension, as two parameters of an arena.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

#include "clip_hpc/model/arena/parameters.hpp"
#include "clip_hpc/ops/fused_ops.hpp"

namespace clip_hpc {

struct LayerNorm {
  std::size_t weight = 0, bias = 0;
  double eps = kNormEps;
  at::Tensor operator()(const ParameterArena& arena, const at::Tensor& x) const;
};

LayerNorm declare_layer_norm(ParameterArena& arena, const std::string& name, std::int64_t width, double eps = kNormEps);

}  // namespace clip_hpc
