#include "clip_hpc/model/layers/layer_norm.hpp"

namespace clip_hpc {

at::Tensor LayerNorm::operator()(const ParameterArena& arena, const at::Tensor& x) const {
  return layer_norm(x, arena.parameter(weight), arena.parameter(bias), eps);
}

LayerNorm declare_layer_norm(ParameterArena& arena, const std::string& name, std::int64_t width, double eps) {
  const std::size_t weight = arena.declare(name + ".weight", {width}, {.decay = false, .initial = ones()});
  return {weight, arena.declare(name + ".bias", {width}, {.decay = false, .initial = zeros()}), eps};
}

}  // namespace clip_hpc
