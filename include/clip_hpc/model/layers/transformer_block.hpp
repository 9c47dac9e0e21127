// Pre-LayerNorm residual blocks as open_clip defines them: x + attn(ln_1 x), then x + mlp(ln_2 x). One struct of arena
// indices, plain functions over tensors.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/model/arena/parameters.hpp"

namespace clip_hpc {

struct LayerNorm {
  std::size_t weight, bias;
  at::Tensor operator()(const ParameterArena& arena, const at::Tensor& x) const;  // over the last dimension, eps 1e-5
};

struct Block {
  LayerNorm ln_1, ln_2;
  std::size_t in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias;
  std::size_t c_fc_weight, c_fc_bias, c_proj_weight, c_proj_bias;
};

// Of a packed batch: `count` sequences of `tokens` positions each, one behind the other.
struct SequenceGroup {
  std::int64_t count, tokens;
};

struct Transformer {
  std::int64_t width = 0, heads = 0;
  bool quick_gelu = false;
  std::vector<Block> blocks;

  // x [batch, tokens, width], or [total, width] of sequences in groups -> the same shape. `causal`: a token sees itself
  // and those before it. `recompute`: of each block only its input is kept for backward.
  at::Tensor forward(const ParameterArena& arena, at::Tensor x, bool causal, bool recompute = false,
                     std::span<const SequenceGroup> groups = {}) const;
};

LayerNorm declare_layer_norm(ParameterArena& arena, const std::string& name, std::int64_t width);
Transformer declare_transformer(ParameterArena& arena, const std::string& prefix, std::int64_t width,
                                std::int64_t layers, std::int64_t heads, std::int64_t mlp_width, bool quick_gelu);

// Scaled dot-product attention on packed projections qkv [batch, tokens, 3 * width] -> [batch, tokens, width].
at::Tensor self_attention(const at::Tensor& qkv, std::int64_t heads, bool causal);
at::Tensor attention_reference(const at::Tensor& qkv, std::int64_t heads, bool causal);  // of LibTorch's operators

// The same on sequences in groups: qkv [total, 3 * width] -> [total, width].
at::Tensor grouped_attention(const at::Tensor& qkv, std::int64_t heads, bool causal,
                             std::span<const SequenceGroup> groups);

}  // namespace clip_hpc
