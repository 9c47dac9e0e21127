// Two towers and a logit scale, with open_clip's parameter names, shapes and arithmetic, over one ParameterArena.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>

#include "clip_hpc/model/arena/parameters.hpp"
#include "clip_hpc/model/layers/packed_captions.hpp"
#include "clip_hpc/model/layers/transformer_block.hpp"
#include "clip_hpc/model/model_file.hpp"

namespace clip_hpc {

class ClipModel {
 public:
  // Declares and allocates the parameters; weights are zero until initialise() or a restore. `share`: what this rank
  // keeps of the master weights (comm.shard_optimizer).
  ClipModel(const ModelConfig& config, at::ScalarType compute, at::Device device = at::kCPU, ArenaShare share = {});

  // `scheme`: open_clip or clip_hpc (init.hpp). A parameter's values depend on its name and the seed alone.
  void initialise(const std::string& scheme, std::uint64_t seed);

  // pixels [batch, 3, size, size], normalised, compute type -> features [batch, embed_dim], not normalised.
  // `kept`: [batch, n] int64, indices of the patches that are encoded (FLIP); all patches without it.
  at::Tensor encode_image(const at::Tensor& pixels, const std::optional<at::Tensor>& kept = std::nullopt) const;

  // Its two halves: the pooled image [batch, vision width] after ln_post, and the projection of that.
  at::Tensor pooled_image(const at::Tensor& pixels, const std::optional<at::Tensor>& kept = std::nullopt) const;
  at::Tensor project_image(const at::Tensor& pooled) const;

  // ids [batch, tokens] int64, tokens <= context_length -> features [batch, embed_dim], not normalised.
  at::Tensor encode_text(const at::Tensor& ids) const;

  // The same features without the work on what stands behind the ends. Only where can_pack().
  at::Tensor encode_text(const PackedCaptions& captions) const;
  bool can_pack() const;  // under a causal mask, and the feature is taken where a caption ends

  // Whether backward computes the blocks again instead of keeping their activations. Gradients are the same.
  void recompute_blocks(bool on) { recompute_ = on; }

  at::Tensor logit_scale() const { return arena_.parameter(logit_scale_); }  // scalar: ln of the scale
  std::size_t logit_scale_index() const { return logit_scale_; }
  const ModelConfig& config() const { return config_; }
  at::Device device() const { return arena_.parameter(0).device(); }
  ParameterArena& arena() { return arena_; }
  const ParameterArena& arena() const { return arena_; }

 private:
  ModelConfig config_;
  ParameterArena arena_;
  bool recompute_ = false;
  // Image tower.
  std::size_t class_embedding_, image_positions_, patch_weight_, image_projection_;
  std::optional<LayerNorm> ln_pre_;
  LayerNorm ln_post_;
  Transformer image_blocks_;
  // Text tower.
  std::size_t token_embedding_, text_positions_, text_projection_;
  LayerNorm ln_final_;
  Transformer text_blocks_;
  std::size_t logit_scale_;
};

// Features of unit length, in fp32 or, where they are fp64, that. [n, embed_dim] -> [n, embed_dim]
at::Tensor normalise_features(const at::Tensor& features);

// pixels uint8 [batch, 3, size, size] -> (x / 255 - mean) / std in the compute type.
at::Tensor normalise_pixels(const at::Tensor& pixels, const PixelNorm& norm, at::ScalarType compute);

}  // namespace clip_hpc
