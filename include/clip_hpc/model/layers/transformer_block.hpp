// Pre-LayerNorm residual blocks as open_clip defines them: x + attn(ln_1 x), then x + mlp(ln_2 x). One struct of arena
// indices, plain functions over tensors.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/model/arena/parameters.hpp"
#include "clip_hpc/model/layers/layer_norm.hpp"
#include "clip_hpc/ops/attention.hpp"

namespace clip_hpc {

struct Block {
  LayerNorm ln_1, ln_2;
  std::size_t in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias;
  std::size_t c_fc_weight, c_fc_bias, c_proj_weight, c_proj_bias;
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

struct TransformerShape {
  std::int64_t width, layers, heads, mlp_width;
  bool quick_gelu;

  // Forward multiply-adds of the blocks for n tokens: per_token n + per_token_squared n^2.
  double macs_per_token() const;
  double macs_per_token_squared() const;
};

// What a block's matrices, and the biases that are not zero, begin with. Norms begin as the identity.
struct BlockInitials {
  Initial in_proj, out_proj, c_fc, c_fc_bias, c_proj, c_proj_bias;
};
// OpenAI's: normal, the outputs of residual branches smaller the more of them there are.
BlockInitials normal_block_initials(const TransformerShape& shape);

Transformer declare_transformer(ParameterArena& arena, const std::string& prefix, const TransformerShape& shape,
                                const BlockInitials& initials);

}  // namespace clip_hpc
