#include "clip_hpc/model/transformer.hpp"

#include <cmath>
#include <limits>

#include "clip_hpc/model/fused_ops.hpp"
#include "clip_hpc/model/recompute.hpp"

namespace clip_hpc {

at::Tensor LayerNorm::operator()(const ParameterArena& arena, const at::Tensor& x) const {
  return at::layer_norm(x, {x.size(-1)}, arena.parameter(weight), arena.parameter(bias), 1e-5);
}

LayerNorm declare_layer_norm(ParameterArena& arena, const std::string& name, std::int64_t width) {
  const std::size_t weight = arena.declare(name + ".weight", {width}, false);
  return {weight, arena.declare(name + ".bias", {width}, false)};
}

Transformer declare_transformer(ParameterArena& arena, const std::string& prefix, std::int64_t width,
                                std::int64_t layers, std::int64_t heads, std::int64_t mlp_width, bool quick_gelu) {
  Transformer transformer{width, heads, quick_gelu, {}};
  for (std::int64_t i = 0; i < layers; ++i) {
    const std::string name = prefix + ".resblocks." + std::to_string(i) + ".";
    Block block{};
    block.ln_1 = declare_layer_norm(arena, name + "ln_1", width);
    block.in_proj_weight = arena.declare(name + "attn.in_proj_weight", {3 * width, width}, true);
    block.in_proj_bias = arena.declare(name + "attn.in_proj_bias", {3 * width}, false);
    block.out_proj_weight = arena.declare(name + "attn.out_proj.weight", {width, width}, true);
    block.out_proj_bias = arena.declare(name + "attn.out_proj.bias", {width}, false);
    block.ln_2 = declare_layer_norm(arena, name + "ln_2", width);
    block.c_fc_weight = arena.declare(name + "mlp.c_fc.weight", {mlp_width, width}, true);
    block.c_fc_bias = arena.declare(name + "mlp.c_fc.bias", {mlp_width}, false);
    block.c_proj_weight = arena.declare(name + "mlp.c_proj.weight", {width, mlp_width}, true);
    block.c_proj_bias = arena.declare(name + "mlp.c_proj.bias", {width}, false);
    transformer.blocks.push_back(block);
  }
  return transformer;
}

at::Tensor self_attention(const at::Tensor& qkv, std::int64_t heads, bool causal) {
  const std::int64_t batch = qkv.size(0);
  const std::int64_t tokens = qkv.size(1);
  const std::int64_t width = qkv.size(2) / 3;
  const std::int64_t head_width = width / heads;
  // [3, batch, heads, tokens, head_width]
  const at::Tensor split = qkv.view({batch, tokens, 3, heads, head_width}).permute({2, 0, 3, 1, 4});
  at::Tensor out;
  // At these lengths two batched GEMMs beat the CPU's flash attention, most of all backward in bf16.
  if (qkv.device().is_cpu() && tokens <= 512) {
    const at::Tensor q = split[0].reshape({batch * heads, tokens, head_width});
    const at::Tensor k = split[1].reshape({batch * heads, tokens, head_width});
    const at::Tensor v = split[2].reshape({batch * heads, tokens, head_width});
    at::Tensor scores = at::bmm(q * (1.0 / std::sqrt(static_cast<double>(head_width))), k.transpose(1, 2));
    if (causal) {
      const auto mask = at::full({tokens, tokens}, -std::numeric_limits<float>::infinity(), scores.options()).triu_(1);
      scores = scores + mask;
    }
    out = at::bmm(at::softmax(scores, -1), v).view({batch, heads, tokens, head_width});
  } else {
    out = at::scaled_dot_product_attention(split[0], split[1], split[2], {}, 0.0, causal);
  }
  return out.permute({0, 2, 1, 3}).reshape({batch, tokens, width});
}

at::Tensor Transformer::forward(const ParameterArena& arena, at::Tensor x, bool causal, bool recompute) const {
  for (const Block& block : blocks) {
    const auto through = [this, &arena, &block, causal](const at::Tensor& in) {
      return block_forward(arena, block, in, causal);
    };
    x = recompute ? recomputed(through, x) : through(x);
  }
  return x;
}

at::Tensor Transformer::block_forward(const ParameterArena& arena, const Block& block, at::Tensor x,
                                      bool causal) const {
  const at::Tensor qkv = at::linear(block.ln_1(arena, x), arena.parameter(block.in_proj_weight),
                                    arena.parameter(block.in_proj_bias));  // [batch, tokens, 3 * width]
  x = x + at::linear(self_attention(qkv, heads, causal), arena.parameter(block.out_proj_weight),
                     arena.parameter(block.out_proj_bias));
  const at::Tensor hidden = bias_gelu(at::linear(block.ln_2(arena, x), arena.parameter(block.c_fc_weight)),
                                      arena.parameter(block.c_fc_bias), quick_gelu);  // [batch, tokens, mlp_width]
  return x + at::linear(hidden, arena.parameter(block.c_proj_weight), arena.parameter(block.c_proj_bias));
}

}  // namespace clip_hpc
