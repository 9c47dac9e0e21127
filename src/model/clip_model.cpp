#include "clip_hpc/model/clip_model.hpp"

#include <ATen/Parallel.h>

#include <cmath>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/vector_clones.hpp"
#include "clip_hpc/device/device_kernels.hpp"
#include "clip_hpc/model/arena/initial.hpp"
#include "clip_hpc/ops/fused_ops_kernels.hpp"
#include "clip_hpc/ops/linear.hpp"

namespace clip_hpc {
namespace {

// pixels [batch, 3, size, size] -> patches [batch, grid * grid, 3 * patch * patch], in the order of conv1's weight.
at::Tensor to_patches(const at::Tensor& pixels, std::int64_t patch) {
  const std::int64_t batch = pixels.size(0);
  const std::int64_t grid = pixels.size(2) / patch;
  return pixels.view({batch, 3, grid, patch, grid, patch})
      .permute({0, 2, 4, 1, 3, 5})
      .reshape({batch, grid * grid, 3 * patch * patch});
}

struct Affine {
  float scale, shift;
};

Affine affine_of(const PixelNorm& norm, std::int64_t channel) {
  const auto c = static_cast<std::size_t>(channel);
  return {static_cast<float>(1.0 / (255.0 * norm.std[c])), static_cast<float>(-norm.mean[c] / norm.std[c])};
}

CLIP_HPC_VECTOR_CLONES
void scale_bytes(const std::uint8_t* in, std::int64_t n, Affine affine, float* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = affine.shift + static_cast<float>(in[i]) * affine.scale;
}

CLIP_HPC_VECTOR_CLONES
void scale_bytes(const std::uint8_t* in, std::int64_t n, Affine affine, c10::BFloat16* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = affine.shift + static_cast<float>(in[i]) * affine.scale;
}

}  // namespace

ClipModel::ClipModel(const ModelConfig& config, at::ScalarType compute, at::Device device, ArenaShare share)
    : config_(config) {
  const VisionConfig& v = config.vision;
  const TextConfig& t = config.text;
  // Text first and image last: backward runs the other way, and the larger image tower finishes its slices first.
  text_positions_ = arena_.declare("positional_embedding", {t.context_length, t.width}, false);
  token_embedding_ = arena_.declare("token_embedding.weight", {t.vocab_size, t.width}, true);
  text_blocks_ =
      declare_transformer(arena_, "transformer", t.width, t.layers, t.heads, t.mlp_width(), config.quick_gelu);
  ln_final_ = declare_layer_norm(arena_, "ln_final", t.width);
  text_projection_ = arena_.declare("text_projection", {t.width, config.embed_dim}, true);

  class_embedding_ = arena_.declare("visual.class_embedding", {v.width}, false);
  image_positions_ = arena_.declare("visual.positional_embedding", {v.patches() + 1, v.width}, false);
  patch_weight_ = arena_.declare("visual.conv1.weight", {v.width, 3, v.patch_size, v.patch_size}, true);
  if (!v.no_ln_pre) ln_pre_ = declare_layer_norm(arena_, "visual.ln_pre", v.width);
  image_blocks_ =
      declare_transformer(arena_, "visual.transformer", v.width, v.layers, v.heads(), v.mlp_width(), config.quick_gelu);
  ln_post_ = declare_layer_norm(arena_, "visual.ln_post", v.width);
  image_projection_ = arena_.declare("visual.proj", {v.width, config.embed_dim}, true);
  logit_scale_ = arena_.declare("logit_scale", {}, false);
  arena_.limit(logit_scale_, 0.0, std::log(100.0));
  arena_.allocate(compute, device, share);
}

void ClipModel::initialise(const std::string& scheme, std::uint64_t seed) {
  initialise_weights(arena_, config_, scheme, seed);
}

at::Tensor ClipModel::encode_image(const at::Tensor& pixels, const std::optional<at::Tensor>& kept) const {
  return project_image(pooled_image(pixels, kept));
}

at::Tensor ClipModel::project_image(const at::Tensor& pooled) const {
  return at::matmul(pooled, arena_.parameter(image_projection_));
}

at::Tensor ClipModel::pooled_image(const at::Tensor& pixels, const std::optional<at::Tensor>& kept) const {
  const VisionConfig& v = config_.vision;
  const std::int64_t batch = pixels.size(0);
  at::Tensor patches = to_patches(pixels, v.patch_size);  // [batch, patches, 3 * patch * patch]
  at::Tensor positions = arena_.parameter(image_positions_);
  at::Tensor patch_positions = positions.slice(0, 1).unsqueeze(0);  // [1, patches, width]
  if (kept) {  // dropped patches cost nothing: they leave before the first GEMM
    const std::int64_t n = kept->size(1);
    patches = patches.gather(1, kept->unsqueeze(-1).expand({batch, n, patches.size(2)}));
    patch_positions = at::embedding(positions.slice(0, 1), *kept);  // [batch, n, width]
  }
  at::Tensor x = linear_layer(patches, arena_.parameter(patch_weight_).view({v.width, -1})) + patch_positions;
  const at::Tensor first = (arena_.parameter(class_embedding_) + positions.select(0, 0)).expand({batch, 1, v.width});
  x = at::cat({first, x}, 1);  // [batch, 1 + kept, width]
  if (ln_pre_) x = (*ln_pre_)(arena_, x);
  x = image_blocks_.forward(arena_, x, false, recompute_);
  // Pool, then normalise: the same result as normalising every token for the class token, and open_clip's order for avg
  // is normalise first.
  return v.pool_type == "tok" ? ln_post_(arena_, x.select(1, 0)) : ln_post_(arena_, x).slice(1, 1).mean(1);
}

at::Tensor ClipModel::encode_text(const at::Tensor& ids) const {
  const TextConfig& t = config_.text;
  const std::int64_t tokens = ids.size(1);
  if (tokens > t.context_length) {
    throw internal_error("{} text tokens, the context holds {}", tokens, t.context_length);
  }
  at::Tensor x = at::embedding(arena_.parameter(token_embedding_), ids) +
                 arena_.parameter(text_positions_).slice(0, 0, tokens);  // [batch, tokens, width]
  x = text_blocks_.forward(arena_, x, !t.no_causal_mask, recompute_);
  at::Tensor pooled;
  if (t.pool_type == "last") {
    pooled = x.select(1, tokens - 1);
  } else {
    // The first position that holds the end token (the largest id for argmax) carries the sentence.
    const at::Tensor end = t.pool_type == "argmax" ? ids.argmax(1) : ids.eq(t.eos_id).to(at::kInt).argmax(1);
    pooled = x.gather(1, end.view({-1, 1, 1}).expand({x.size(0), 1, x.size(2)})).squeeze(1);
  }
  return at::matmul(ln_final_(arena_, pooled), arena_.parameter(text_projection_));
}

bool ClipModel::can_pack() const { return !config_.text.no_causal_mask && config_.text.pool_type != "last"; }

at::Tensor ClipModel::encode_text(const PackedCaptions& captions) const {
  at::Tensor x = at::embedding(arena_.parameter(token_embedding_), captions.ids) +
                 at::embedding(arena_.parameter(text_positions_), captions.positions);  // [total, width]
  x = text_blocks_.forward(arena_, x, true, recompute_, captions.groups);
  const at::Tensor pooled = x.index_select(0, captions.ends);  // [batch, width]
  return at::matmul(ln_final_(arena_, pooled), arena_.parameter(text_projection_));
}

at::Tensor normalise_features(const at::Tensor& features) {
  const at::Tensor x = features.scalar_type() == at::kDouble ? features : features.to(at::kFloat);
  return x / x.norm(2, {-1}, true).clamp_min(1e-12);
}

at::Tensor normalise_pixels(const at::Tensor& pixels, const PixelNorm& norm, at::ScalarType compute) {
  const bool fused = pixels.is_contiguous() && (compute == at::kFloat || compute == at::kBFloat16);
  const auto* const kernels = fused && pixels.is_cuda() ? device_kernels<FusedOpsKernels>() : nullptr;
  if (kernels != nullptr) {
    std::array<float, 3> scale{}, shift{};
    for (std::size_t c = 0; c < 3; ++c) {
      const Affine affine = affine_of(norm, static_cast<std::int64_t>(c));
      scale[c] = affine.scale;
      shift[c] = affine.shift;
    }
    return kernels->normalise_pixels(pixels, scale, shift, compute);
  }
  if (!fused || !pixels.is_cpu()) {
    const auto options = at::TensorOptions().dtype(at::kFloat).device(pixels.device());
    at::Tensor scale = at::empty({1, 3, 1, 1}, options);
    at::Tensor shift = at::empty({1, 3, 1, 1}, options);
    for (std::int64_t c = 0; c < 3; ++c) {
      scale.select(1, c).fill_(affine_of(norm, c).scale);
      shift.select(1, c).fill_(affine_of(norm, c).shift);
    }
    return at::addcmul(shift, pixels.to(at::kFloat), scale).to(compute);
  }
  const at::Tensor out = at::empty(pixels.sizes(), compute);
  const std::int64_t plane = pixels.size(2) * pixels.size(3);
  const std::uint8_t* in = pixels.const_data_ptr<std::uint8_t>();
  at::parallel_for(0, pixels.size(0) * 3, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Affine affine = affine_of(norm, i % 3);
      if (compute == at::kFloat) {
        scale_bytes(in + i * plane, plane, affine, out.data_ptr<float>() + i * plane);
      } else {
        scale_bytes(in + i * plane, plane, affine, out.data_ptr<c10::BFloat16>() + i * plane);
      }
    }
  });
  return out;
}

}  // namespace clip_hpc
