#include "clip_hpc/model/layers/affine.hpp"

#include "clip_hpc/ops/linear.hpp"

namespace clip_hpc {

Affine declare_affine(ParameterArena& arena, const std::string& name, std::vector<std::int64_t> shape,
                      const Initial& weight, const std::optional<Initial>& bias) {
  const std::int64_t out = shape[0];
  Affine layer{.weight = arena.declare(name + ".weight", std::move(shape), {.initial = weight})};
  if (bias) layer.bias = arena.declare(name + ".bias", {out}, {.decay = false, .initial = *bias});
  return layer;
}

Affine declare_torch_linear(ParameterArena& arena, const std::string& name, std::int64_t out, std::int64_t in,
                            bool has_bias) {
  const Initial initial = torch_linear(in);
  return declare_affine(arena, name, {out, in}, initial, has_bias ? std::optional(initial) : std::nullopt);
}

at::Tensor bias_of(const ParameterArena& arena, const Affine& layer) {
  return layer.bias ? arena.parameter(*layer.bias) : at::Tensor();
}

at::Tensor matrix_product(const ParameterArena& arena, const Affine& layer, const at::Tensor& x) {
  return linear_layer(x, arena.parameter(layer.weight).flatten(1), bias_of(arena, layer));
}

}  // namespace clip_hpc
