#include "clip_hpc/model/layers/attention_pool.hpp"

#include <cmath>

namespace clip_hpc {

at::Tensor AttentionPool::operator()(const ParameterArena& arena, const at::Tensor& tokens) const {
  const std::int64_t batch = tokens.size(0), n = tokens.size(1), width = tokens.size(2), head = width / heads;
  const at::Tensor query = matrix_product(arena, q, arena.parameter(latent)).view({1, heads, 1, head});
  const at::Tensor kv_of = matrix_product(arena, kv, tokens).view({batch, n, 2, heads, head}).permute({2, 0, 3, 1, 4});
  const at::Tensor scores = at::matmul(query * std::pow(static_cast<double>(head), -0.5), kv_of[0].transpose(-2, -1));
  const at::Tensor mixed = at::matmul(scores.softmax(-1), kv_of[1]);  // [batch, heads, 1, head]
  const at::Tensor x = matrix_product(arena, proj, mixed.reshape({batch, width}));
  return x + mlp(arena, norm(arena, x), activation);
}

double AttentionPoolShape::fixed_macs() const { return static_cast<double>(2 * width * width + 2 * width * mlp_width); }

double AttentionPoolShape::macs_per_token() const { return static_cast<double>(2 * width * width + 2 * width); }

AttentionPool declare_attention_pool(ParameterArena& arena, const std::string& name, const AttentionPoolShape& shape) {
  const std::int64_t width = shape.width;
  const Distribution by_width = truncated_normal(std::pow(static_cast<double>(width), -0.5));
  const auto linear = [&](const std::string& of, std::int64_t out, std::int64_t in) {
    return declare_affine(arena, name + of, {out, in}, truncated_normal(0.02));
  };
  AttentionPool pool;
  pool.heads = shape.heads;
  pool.activation = shape.activation;
  pool.latent = arena.declare(name + ".latent", {1, 1, width}, {.initial = by_width});
  pool.q = linear(".q", width, width);
  pool.kv = linear(".kv", 2 * width, width);
  pool.proj = linear(".proj", width, width);
  const std::int64_t head_width = width / shape.heads;
  arena.factor_as(pool.q.weight, {shape.heads, head_width, width});
  arena.factor_as(pool.kv.weight, {2, shape.heads, head_width, width});
  arena.factor_as(pool.proj.weight, {width, shape.heads, head_width});
  pool.norm = declare_layer_norm(arena, name + ".norm", width, shape.norm_eps);
  pool.mlp.fc1 = linear(".mlp.fc1", shape.mlp_width, width);
  pool.mlp.fc2 = linear(".mlp.fc2", width, shape.mlp_width);
  return pool;
}

}  // namespace clip_hpc
