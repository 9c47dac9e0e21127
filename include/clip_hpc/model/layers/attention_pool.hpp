// SigLIP's pooling, big_vision's MAP head, as timm's AttentionPoolLatent has it: one learned query over all tokens,
// then an MLP with a shortcut.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

#include "clip_hpc/model/layers/affine.hpp"
#include "clip_hpc/model/layers/layer_norm.hpp"
#include "clip_hpc/model/layers/mlp.hpp"

namespace clip_hpc {

struct AttentionPool {
  std::int64_t heads = 1;
  Gelu activation = Gelu::exact;
  std::size_t latent = 0;  // [1, 1, width]
  Affine q, kv, proj;
  LayerNorm norm;
  Mlp mlp;

  at::Tensor operator()(const ParameterArena& arena,
                        const at::Tensor& tokens) const;  // [batch, n, width] -> [b, width]
};

struct AttentionPoolShape {
  std::int64_t width, heads, mlp_width;
  Gelu activation;
  double norm_eps;
  double fixed_macs() const;      // of an image
  double macs_per_token() const;  // and of each of its tokens
};

AttentionPool declare_attention_pool(ParameterArena& arena, const std::string& name, const AttentionPoolShape& shape);

}  // namespace clip_hpc
