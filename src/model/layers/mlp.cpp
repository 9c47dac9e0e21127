#include "clip_hpc/model/layers/mlp.hpp"

#include "clip_hpc/ops/fused_ops.hpp"

namespace clip_hpc {

at::Tensor Mlp::operator()(const ParameterArena& arena, const at::Tensor& x, Gelu activation) const {
  const at::Tensor hidden = matrix_product(arena, {fc1.weight}, x);  // its bias goes with the activation
  return matrix_product(arena, fc2, bias_gelu(hidden, arena.parameter(*fc1.bias), activation));
}

}  // namespace clip_hpc
