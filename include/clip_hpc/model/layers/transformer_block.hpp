// Pre-LayerNorm residual blocks as open_clip and timm define them: x + attn(ln_1 x), then x + mlp(ln_2 x), each branch
// times a vector where the model has LayerScale. One struct of arena indices, plain functions over tensors.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/model/arena/parameters.hpp"
#include "clip_hpc/model/layers/layer_norm.hpp"
#include "clip_hpc/ops/attention.hpp"

namespace clip_hpc {

struct Block {
  LayerNorm ln_1, ln_2;
  std::size_t in_proj_weight, out_proj_weight, out_proj_bias;
  std::optional<std::size_t> in_proj_bias;
  std::size_t c_fc_weight, c_fc_bias, c_proj_weight, c_proj_bias;
  std::optional<std::size_t> scale_1, scale_2;  // LayerScale of the two branches
};

struct Transformer {
  std::int64_t width = 0, heads = 0;
  Gelu activation = Gelu::exact;
  std::vector<Block> blocks;

  // x [batch, tokens, width], or [total, width] of sequences in groups -> the same shape. `causal`: a token sees itself
  // and those before it. `recompute`: of each block only its input is kept for backward. `branch_scales` [batch, 2 *
  // blocks], or none: what each sample's branches are multiplied with (stochastic depth).
  at::Tensor forward(const ParameterArena& arena, at::Tensor x, bool causal, bool recompute = false,
                     std::span<const SequenceGroup> groups = {}, const at::Tensor& branch_scales = {}) const;
};

struct TransformerShape {
  std::int64_t width, layers, heads, mlp_width;
  Gelu activation = Gelu::exact;
  double norm_eps = kNormEps;
  std::optional<double> layer_scale = {};  // what its vectors begin with; none: there are none
  bool has_qkv_bias = true;

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

// What the parameters of a block are called, below PREFIX.STACK.i.
struct BlockNames {
  const char* stack;
  const char *ln_1, *in_proj_weight, *in_proj_bias, *out_proj, *scale_1;
  const char *ln_2, *c_fc, *c_proj, *scale_2;
};
inline constexpr BlockNames kOpenClipBlocks{
    "resblocks", "ln_1",     "attn.in_proj_weight", "attn.in_proj_bias", "attn.out_proj", "ls_1.gamma",
    "ln_2",      "mlp.c_fc", "mlp.c_proj",          "ls_2.gamma"};
inline constexpr BlockNames kTimmBlocks{"blocks",    "norm1", "attn.qkv.weight", "attn.qkv.bias", "attn.proj",
                                        "ls1.gamma", "norm2", "mlp.fc1",         "mlp.fc2",       "ls2.gamma"};

Transformer declare_transformer(ParameterArena& arena, const std::string& prefix, const TransformerShape& shape,
                                const BlockInitials& initials, const BlockNames& names = kOpenClipBlocks);

}  // namespace clip_hpc
