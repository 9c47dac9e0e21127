// The Vision Transformer as open_clip's own ViT: names, shapes and arithmetic of its `visual.*`.
#include <algorithm>
#include <cmath>

#include "clip_hpc/model/layers/affine.hpp"
#include "clip_hpc/model/layers/patch_embedding.hpp"
#include "clip_hpc/model/layers/transformer_block.hpp"
#include "clip_hpc/model/towers/tower.hpp"
#include "model/layers/conv_stem.hpp"
#include "model/model_section.hpp"

namespace clip_hpc {
namespace {

struct VitConfig {
  std::int64_t image_size = 224;
  std::int64_t patch_size = 32;
  std::int64_t width = 768;
  std::int64_t layers = 12;
  std::int64_t head_width = 64;
  double mlp_ratio = 4.0;
  std::string pool_type = "tok";  // tok: class token; avg: mean of the patches
  bool no_ln_pre = false;
  bool final_ln_after_pool = false;
  std::string positions = "learnable";  // pos_embed_type; or sin_cos_2d, which are not trained
  double patch_dropout = 0;             // in training
  BlockStyle style;
  std::vector<std::int64_t> conv_stem;  // channels of its steps; empty: one kernel of a patch. Not open_clip's.

  std::int64_t grid() const { return image_size / patch_size; }
  std::int64_t patches() const { return grid() * grid(); }
  std::int64_t heads() const { return width / head_width; }
  std::int64_t mlp_width() const { return static_cast<std::int64_t>(static_cast<double>(width) * mlp_ratio); }
};

// Keys of open_clip's vision_cfg that say nothing about this tower as long as they are at their defaults.
void read_unused(ModelSection& section) {
  section.read_unused({"attentional_pool", "output_tokens"}, false);
  section.read_unused("timm_model_name");
  section.known({"attn_pooler_queries", "attn_pooler_heads"});  // of an attentional pool
  section.known({"timm_model_pretrained", "timm_pool", "timm_proj", "timm_proj_bias", "timm_drop", "timm_drop_path"});
}

VitConfig read_config(const Json& json, const std::string& model, bool quick_gelu) {
  VitConfig v;
  ModelSection section(json, model + ": vision_cfg");
  section.read_side("image_size", v.image_size);
  section.read_side("patch_size", v.patch_size);
  section.read("width", v.width);
  section.read("layers", v.layers);
  section.read("head_width", v.head_width);
  section.read("mlp_ratio", v.mlp_ratio);
  section.read("pool_type", v.pool_type);
  section.read("no_ln_pre", v.no_ln_pre);
  section.read("final_ln_after_pool", v.final_ln_after_pool);
  section.read("pos_embed_type", v.positions);
  section.read("patch_dropout", v.patch_dropout);
  section.read("conv_stem", v.conv_stem);
  v.style = read_block_style(section, model, quick_gelu);
  read_unused(section);
  section.finish();
  require_sizes(model, {{"vision_cfg.image_size", v.image_size},
                        {"vision_cfg.patch_size", v.patch_size},
                        {"vision_cfg.width", v.width},
                        {"vision_cfg.layers", v.layers},
                        {"vision_cfg.head_width", v.head_width}});
  require_mlp_ratio(model, "vision_cfg", v.mlp_ratio, v.width);
  require(v.image_size % v.patch_size == 0, model,
          fmt::format("image_size = {} must be a multiple of patch_size = {}", v.image_size, v.patch_size));
  require(v.width % v.head_width == 0, model,
          fmt::format("vision_cfg.width = {} must be a multiple of head_width = {}", v.width, v.head_width));
  require(v.pool_type == "tok" || v.pool_type == "avg", model,
          fmt::format("vision_cfg.pool_type = \"{}\" must be tok or avg", v.pool_type));
  require(v.conv_stem.empty() || v.patch_size == std::int64_t{1} << std::min<std::size_t>(v.conv_stem.size(), 16),
          model,
          fmt::format("vision_cfg.conv_stem halves the side {} times, and patch_size = {} is not 2 to that power",
                      v.conv_stem.size(), v.patch_size));
  for (const std::int64_t channels : v.conv_stem) require_sizes(model, {{"vision_cfg.conv_stem", channels}});
  require(v.positions == "learnable" || v.positions == "sin_cos_2d", model,
          fmt::format("vision_cfg.pos_embed_type = \"{}\" must be learnable or sin_cos_2d", v.positions));
  require(v.positions == "learnable" || v.width % 4 == 0, model,
          fmt::format("vision_cfg.width = {} must be a multiple of 4 for pos_embed_type = sin_cos_2d", v.width));
  require(v.patch_dropout >= 0 && v.patch_dropout < 1, model,
          fmt::format("vision_cfg.patch_dropout = {} must be in [0, 1)", v.patch_dropout));
  return v;
}

// Blocks of open_clip's image tower begin as torch's modules do.
BlockInitials block_initials(const TransformerShape& shape) {
  const BlockInitials own = normal_block_initials(shape);
  return {.in_proj = {xavier_uniform(3 * shape.width, shape.width), own.in_proj.clip_hpc},
          .out_proj = {torch_linear(shape.width), own.out_proj.clip_hpc},
          .c_fc = {torch_linear(shape.width), own.c_fc.clip_hpc},
          .c_fc_bias = own.c_fc_bias,
          .c_proj = {torch_linear(shape.mlp_width), own.c_proj.clip_hpc},
          .c_proj_bias = own.c_proj_bias};
}

class Vit : public ImageTower {
 public:
  Vit(ParameterArena& arena, VitConfig config, const TowerFacts& facts, const std::string& prefix)
      : arena_(arena),
        config_(std::move(config)),
        shape_{.width = config_.width,
               .layers = config_.layers,
               .heads = config_.heads(),
               .mlp_width = config_.mlp_width(),
               .activation = config_.style.activation,
               .norm_eps = config_.style.norm_eps,
               .layer_scale = config_.style.layer_scale},
        embed_dim_(facts.embed_dim) {
    const VitConfig& v = config_;
    const Distribution by_width = normal(std::pow(static_cast<double>(v.width), -0.5));
    class_embedding_ = arena.declare(prefix + "class_embedding", {v.width}, {.decay = false, .initial = by_width});
    const bool is_fixed = v.positions == "sin_cos_2d";
    const Initial at_first = is_fixed ? Initial(sin_cos_2d(v.grid(), v.width)) : Initial(by_width, normal(0.1));
    positions_ = arena.declare(
        prefix + "positional_embedding", {v.patches() + 1, v.width},
        {.decay = false, .position = true, .grid = PositionGrid{1, v.grid()}, .initial = at_first, .frozen = is_fixed});
    conv_stem_ = declare_conv_stem(arena, prefix + "conv_stem", v.conv_stem);
    const std::int64_t in = v.conv_stem.empty() ? 3 : v.conv_stem.back(),
                       patch = v.conv_stem.empty() ? v.patch_size : 1;
    stem_ = declare_affine(arena, prefix + "conv1", {v.width, in, patch, patch}, torch_linear(in * patch * patch),
                           std::nullopt);
    if (!v.no_ln_pre) ln_pre_ = declare_layer_norm(arena, prefix + "ln_pre", v.width, v.style.norm_eps);
    blocks_ = declare_transformer(arena, prefix + "transformer", shape_, block_initials(shape_));
    ln_post_ = declare_layer_norm(arena, prefix + "ln_post", v.width, v.style.norm_eps);
    arena.begin_group();
    projection_ = arena.declare(prefix + "proj", {v.width, embed_dim_}, {.initial = by_width});
  }

  std::int64_t image_size() const override { return config_.image_size; }
  std::int64_t width() const override { return config_.width; }
  std::int64_t patches() const override { return config_.patches(); }
  std::int64_t size_step() const override { return config_.patch_size; }

  std::string training_note() const override { return patch_dropout_note(config_.patch_dropout); }

  at::Tensor pooled(const at::Tensor& pixels, const std::optional<at::Tensor>& kept, const Pass& pass) const override {
    const VitConfig& v = config_;
    const std::int64_t batch = pixels.size(0);
    const at::Tensor positions = arena_.parameter(positions_);  // [1 + patches, width]
    const at::Tensor picture = v.conv_stem.empty() ? pixels : conv_stem_(arena_, pixels);
    at::Tensor x = embedded_patches(arena_, stem_, positions_at(positions.slice(0, 1), pixels.size(2) / v.patch_size),
                                    picture, kept);
    const at::Tensor first = (arena_.parameter(class_embedding_) + positions.select(0, 0)).expand({batch, 1, v.width});
    x = at::cat({first, x}, 1);  // [batch, 1 + kept, width]
    if (ln_pre_) x = (*ln_pre_)(arena_, x);
    x = blocks_.forward(arena_, x, false, pass.recompute);
    // For the class token alone it is the same to normalise first or last.
    if (v.pool_type == "tok") return ln_post_(arena_, x.select(1, 0));
    if (v.final_ln_after_pool) return ln_post_(arena_, x.slice(1, 1).mean(1));
    return ln_post_(arena_, x).slice(1, 1).mean(1);
  }

  at::Tensor project(const at::Tensor& pooled) const override {
    return at::matmul(pooled, arena_.parameter(projection_));
  }

  Cost cost() const override {
    // n patches are n + 1 tokens.
    const double linear = shape_.macs_per_token(), squared = shape_.macs_per_token_squared();
    const std::vector<std::int64_t>& shape = arena_.specs()[stem_.weight].shape;  // [width, in, patch, patch]
    const auto width = static_cast<double>(config_.width),
               of_patch = static_cast<double>(shape[1] * shape[2] * shape[3]);
    return {.fixed = linear + squared + width * static_cast<double>(embed_dim_) +
                     conv_stem_macs(config_.conv_stem, config_.image_size),
            .per_token = of_patch * width + linear + 2 * squared,
            .per_token_squared = squared};
  }

  std::vector<AttentionShape> attention_shapes(std::int64_t rows, std::int64_t kept) const override {
    return {{rows, config_.heads(), kept + 1, config_.head_width, false}};
  }

  Json to_json() const override {
    const VitConfig& v = config_;
    Json json = {{"image_size", v.image_size}, {"patch_size", v.patch_size}, {"width", v.width},
                 {"layers", v.layers},         {"head_width", v.head_width}, {"mlp_ratio", v.mlp_ratio},
                 {"pool_type", v.pool_type},   {"no_ln_pre", v.no_ln_pre}};
    if (v.final_ln_after_pool) json["final_ln_after_pool"] = true;
    if (v.positions != "learnable") json["pos_embed_type"] = v.positions;
    if (!v.conv_stem.empty()) json["conv_stem"] = v.conv_stem;
    if (v.patch_dropout > 0) json["patch_dropout"] = v.patch_dropout;
    write_block_style(v.style, json);
    return json;
  }

 private:
  const ParameterArena& arena_;
  VitConfig config_;
  TransformerShape shape_;
  std::int64_t embed_dim_;
  std::size_t class_embedding_, positions_, projection_;
  ConvStem conv_stem_;
  Affine stem_;
  std::optional<LayerNorm> ln_pre_;
  LayerNorm ln_post_;
  Transformer blocks_;
};

// ResNets have lists of layers, timm's towers a timm_model_name.
bool reads(const Json& json) {
  const auto timm = json.find("timm_model_name");
  return (timm == json.end() || timm->is_null()) && !(json.contains("layers") && json.at("layers").is_array());
}

std::unique_ptr<ImageTower> declare(ParameterArena& arena, const Json& json, const TowerFacts& facts,
                                    const std::string& prefix) {
  return std::make_unique<Vit>(arena, read_config(json, facts.model, facts.quick_gelu), facts, prefix);
}

}  // namespace

extern const ImageTowerKind kVit{"vit", "the Vision Transformer of open_clip: layers is a number, no timm_model_name",
                                 reads, declare};

}  // namespace clip_hpc
