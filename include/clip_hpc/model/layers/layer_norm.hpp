// LayerNorm over the last dimension, as two parameters of an arena.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

#include "clip_hpc/model/arena/parameters.hpp"

namespace clip_hpc {

struct LayerNorm {
  std::size_t weight, bias;
  at::Tensor operator()(const ParameterArena& arena, const at::Tensor& x) const;              // eps 1e-5, fused
  at::Tensor operator()(const ParameterArena& arena, const at::Tensor& x, double eps) const;  // of any eps
};

LayerNorm declare_layer_norm(ParameterArena& arena, const std::string& name, std::int64_t width);

}  // namespace clip_hpc
