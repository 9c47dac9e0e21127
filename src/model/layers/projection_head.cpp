#include "clip_hpc/model/layers/projection_head.hpp"

namespace clip_hpc {
namespace {

constexpr double kHeadEps = 1e-5;

Affine declare_head_layer(ParameterArena& arena, const std::string& name, std::int64_t out, std::int64_t in) {
  const Initial initial = torch_linear(in);
  return {arena.declare(name + ".weight", {out, in}, {.initial = initial, .exported = false}),
          arena.declare(name + ".bias", {out}, {.decay = false, .initial = initial, .exported = false})};
}

}  // namespace

ProjectionHead::ProjectionHead(ParameterArena& arena, std::int64_t in, const HeadSize& size)
    : layer1_(declare_head_layer(arena, "image_mlp.layer1", size.hidden, in)),
      layer2_(declare_head_layer(arena, "image_mlp.layer2", size.hidden, size.hidden)),
      layer3_(declare_head_layer(arena, "image_mlp.layer3", size.width, size.hidden)),
      norm1_(declare_channel_norm(arena, "image_mlp.bn1", size.hidden, NormKind::batch, kHeadEps, 1, false)),
      norm2_(declare_channel_norm(arena, "image_mlp.bn2", size.hidden, NormKind::batch, kHeadEps, 1, false)),
      macs_(static_cast<double>(in * size.hidden + size.hidden * size.hidden + size.hidden * size.width)) {}

at::Tensor ProjectionHead::operator()(const ParameterArena& arena, const at::Tensor& features, const Pass& pass) const {
  at::Tensor x = norm1_(arena, matrix_product(arena, layer1_, features), pass, /*relu=*/true);  // [rows, hidden]
  x = norm2_(arena, matrix_product(arena, layer2_, x), pass, /*relu=*/true);
  return matrix_product(arena, layer3_, x);  // [rows, width]
}

std::vector<std::size_t> ProjectionHead::parameters() const {
  std::vector<std::size_t> all;
  for (const Affine& layer : {layer1_, layer2_, layer3_}) {
    all.push_back(layer.weight);
    all.push_back(*layer.bias);
  }
  for (const ChannelNorm& norm : {norm1_, norm2_}) {
    all.push_back(norm.weight);
    all.push_back(norm.bias);
  }
  return all;
}

}  // namespace clip_hpc
