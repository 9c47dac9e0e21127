// The Vision Transformer as timm has it and open_clip hangs it into CLIP: names, shapes and arithmetic of
// `visual.trunk.*`. SigLIP's image towers are of this kind, and OpenAI's in timm's spelling.
#include "clip_hpc/model/towers/timm_vit.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "clip_hpc/model/layers/affine.hpp"
#include "clip_hpc/model/layers/attention_pool.hpp"
#include "clip_hpc/model/layers/patch_embedding.hpp"
#include "clip_hpc/model/layers/stochastic_depth.hpp"
#include "clip_hpc/model/layers/timm_head.hpp"
#include "clip_hpc/model/layers/transformer_block.hpp"
#include "clip_hpc/model/towers/tower.hpp"
#include "model/model_section.hpp"

namespace clip_hpc {
namespace {

struct Size {
  std::int64_t width, depth, heads, mlp_width;
};
constexpr Size kTiny{192, 12, 3, 768}, kSmall{384, 12, 6, 1536}, kMedium{512, 12, 8, 2048}, kBase{768, 12, 12, 3072},
    kLarge{1024, 24, 16, 4096}, kHuge{1280, 32, 16, 5120}, kSo400m{1152, 27, 16, 4304}, kGiantOpt{1536, 40, 16, 6144};

enum class Style {
  plain,        // class token
  clip,         // and a norm before the blocks, no bias of the patches, eps 1e-5
  siglip,       // no class token, attention pooling
  siglip_tanh,  // and the tanh form of GELU
  gap,          // no class token, no bias of qkv, LayerScale, the mean of the tokens behind the norm
};

struct Variant {
  const char* name;
  Size size;
  std::int64_t patch, image_size;
  Style style;
};
constexpr std::array kVariants{
    Variant{"vit_tiny_patch16_224", kTiny, 16, 224, Style::plain},
    Variant{"vit_small_patch16_224", kSmall, 16, 224, Style::plain},
    Variant{"vit_small_patch32_224", kSmall, 32, 224, Style::plain},
    Variant{"vit_base_patch16_224", kBase, 16, 224, Style::plain},
    Variant{"vit_base_patch32_224", kBase, 32, 224, Style::plain},
    Variant{"vit_large_patch14_224", kLarge, 14, 224, Style::plain},
    Variant{"vit_large_patch16_224", kLarge, 16, 224, Style::plain},
    Variant{"vit_huge_patch14_224", kHuge, 14, 224, Style::plain},
    Variant{"vit_medium_patch16_clip_224", kMedium, 16, 224, Style::clip},
    Variant{"vit_medium_patch32_clip_224", kMedium, 32, 224, Style::clip},
    Variant{"vit_base_patch16_clip_224", kBase, 16, 224, Style::clip},
    Variant{"vit_base_patch32_clip_224", kBase, 32, 224, Style::clip},
    Variant{"vit_large_patch14_clip_224", kLarge, 14, 224, Style::clip},
    Variant{"vit_large_patch14_clip_336", kLarge, 14, 336, Style::clip},
    Variant{"vit_huge_patch14_clip_224", kHuge, 14, 224, Style::clip},
    Variant{"vit_base_patch32_siglip_256", kBase, 32, 256, Style::siglip_tanh},
    Variant{"vit_base_patch16_siglip_224", kBase, 16, 224, Style::siglip},
    Variant{"vit_base_patch16_siglip_256", kBase, 16, 256, Style::siglip},
    Variant{"vit_base_patch16_siglip_384", kBase, 16, 384, Style::siglip},
    Variant{"vit_base_patch16_siglip_512", kBase, 16, 512, Style::siglip},
    Variant{"vit_large_patch16_siglip_256", kLarge, 16, 256, Style::siglip},
    Variant{"vit_large_patch16_siglip_384", kLarge, 16, 384, Style::siglip},
    Variant{"vit_large_patch16_siglip_512", kLarge, 16, 512, Style::siglip_tanh},
    Variant{"vit_so400m_patch14_siglip_224", kSo400m, 14, 224, Style::siglip},
    Variant{"vit_so400m_patch14_siglip_378", kSo400m, 14, 378, Style::siglip},
    Variant{"vit_so400m_patch14_siglip_384", kSo400m, 14, 384, Style::siglip},
    Variant{"vit_so400m_patch16_siglip_256", kSo400m, 16, 256, Style::siglip_tanh},
    Variant{"vit_so400m_patch16_siglip_384", kSo400m, 16, 384, Style::siglip_tanh},
    Variant{"vit_so400m_patch16_siglip_512", kSo400m, 16, 512, Style::siglip_tanh},
    Variant{"vit_giantopt_patch16_siglip_256", kGiantOpt, 16, 256, Style::siglip_tanh},
    Variant{"vit_giantopt_patch16_siglip_384", kGiantOpt, 16, 384, Style::siglip_tanh},
    Variant{"vit_medium_patch16_gap_256", kMedium, 16, 256, Style::gap},
};

struct TimmVitConfig {
  TimmConfig timm;
  Variant variant;
  bool has_kwargs = false;  // timm_model_kwargs: another size of image, or a smaller tower
  Gelu activation = Gelu::exact;

  std::int64_t grid() const { return timm.image_size / variant.patch; }
  std::int64_t patches() const { return grid() * grid(); }
  bool has_class_token() const { return variant.style == Style::plain || variant.style == Style::clip; }
  bool has_attention_pool() const { return variant.style == Style::siglip || variant.style == Style::siglip_tanh; }
  double eps() const { return variant.style == Style::clip ? 1e-5 : 1e-6; }
};

const Variant* variant_named(const std::string& name) {
  const auto found = std::ranges::find_if(kVariants, [&](const Variant& one) { return name == one.name; });
  return found == kVariants.end() ? nullptr : &*found;
}

constexpr const char *kExactName = "gelu", *kTanhName = "gelu_tanh";  // timm's

// timm's own arguments, for a tower of another size.
void read_kwargs(const Json& json, const std::string& model, TimmVitConfig& c) {
  Variant& v = c.variant;
  std::int64_t image_size = v.image_size;
  double mlp_ratio = static_cast<double>(v.size.mlp_width) / static_cast<double>(v.size.width);
  ModelSection kwargs(json, model + ": timm_model_kwargs");
  kwargs.read_side("img_size", image_size);
  kwargs.read_side("patch_size", v.patch);
  kwargs.read("embed_dim", v.size.width);
  kwargs.read("depth", v.size.depth);
  kwargs.read("num_heads", v.size.heads);
  kwargs.read("mlp_ratio", mlp_ratio);
  std::string activation = c.activation == Gelu::tanh ? kTanhName : kExactName;
  kwargs.read("act_layer", activation);
  kwargs.finish();
  require(activation == kTanhName || activation == kExactName, model,
          fmt::format("timm_model_kwargs.act_layer = {} must be {} or {}", activation, kExactName, kTanhName));
  c.activation = activation == kTanhName ? Gelu::tanh : Gelu::exact;
  require_sizes(model, {{"timm_model_kwargs.img_size", image_size},
                        {"timm_model_kwargs.patch_size", v.patch},
                        {"timm_model_kwargs.embed_dim", v.size.width},
                        {"timm_model_kwargs.depth", v.size.depth},
                        {"timm_model_kwargs.num_heads", v.size.heads}});
  require_mlp_ratio(model, "timm_model_kwargs", mlp_ratio, v.size.width);
  require(v.size.width % v.size.heads == 0, model,
          fmt::format("timm_model_kwargs: num_heads = {} must divide embed_dim = {}", v.size.heads, v.size.width));
  v.image_size = image_size;
  if (kwargs.find("mlp_ratio") != nullptr || kwargs.find("embed_dim") != nullptr) {
    v.size.mlp_width = static_cast<std::int64_t>(mlp_ratio * static_cast<double>(v.size.width));
  }
}

TimmVitConfig read_config(const Json& json, const std::string& model) {
  ModelSection section(json, model + ": vision_cfg");
  TimmVitConfig c;
  c.timm = read_timm_config(section, model, /*is_vit=*/true);
  c.variant = *variant_named(c.timm.name);
  c.activation = c.variant.style == Style::siglip_tanh ? Gelu::tanh : Gelu::exact;
  if (const Json* const own = section.find("timm_model_kwargs"); own != nullptr) {
    read_kwargs(*own, model, c);
    c.has_kwargs = true;
  }
  section.known({"timm_model_kwargs"});
  section.finish();
  const Variant& v = c.variant;
  require(c.timm.image_size == v.image_size, model,
          fmt::format("image_size = {}: {} is of {}; another size is timm_model_kwargs {{\"img_size\": {}}}",
                      c.timm.image_size, c.timm.name, v.image_size, c.timm.image_size));
  require(c.grid() > 0, model,
          fmt::format("image_size = {} is smaller than a patch of {}", c.timm.image_size, v.patch));
  const char* const pool = c.has_class_token() ? "token" : c.has_attention_pool() ? "map" : "avg";
  require(c.timm.pool.empty() || c.timm.pool == pool, model,
          fmt::format("timm_pool = {} is not supported: {} pools by {}", c.timm.pool, c.timm.name, pool));
  return c;
}

class TimmVit : public ImageTower {
 public:
  TimmVit(ParameterArena& arena, TimmVitConfig config, const TowerFacts& facts, const std::string& prefix)
      : arena_(arena), config_(std::move(config)), shape_(shape_of(config_)), pool_shape_(pool_shape_of(config_)) {
    const TimmVitConfig& c = config_;
    const std::int64_t width = shape_.width, patch = c.variant.patch;
    const std::string trunk = prefix + "trunk.";
    if (c.has_class_token()) {
      class_token_ = arena.declare(trunk + "cls_token", {1, 1, width}, {.decay = false, .initial = normal(1e-6)});
    }
    const PositionGrid grid{class_token_ ? 1 : 0, c.grid()};
    positions_ = arena.declare(trunk + "pos_embed", {1, c.patches() + grid.others, width},
                               {.decay = false, .position = true, .grid = grid, .initial = truncated_normal(0.02)});
    const Initial conv = torch_linear(3 * patch * patch);
    const bool is_clip = c.variant.style == Style::clip;
    stem_ = declare_affine(arena, trunk + "patch_embed.proj", {width, 3, patch, patch}, conv,
                           is_clip ? std::nullopt : std::optional(conv));
    if (is_clip) norm_pre_ = declare_layer_norm(arena, trunk + "norm_pre", width, c.eps());
    const Initial linear = truncated_normal(0.02);
    const BlockInitials initials{.in_proj = linear,
                                 .out_proj = linear,
                                 .c_fc = linear,
                                 .c_fc_bias = zeros(),
                                 .c_proj = linear,
                                 .c_proj_bias = zeros()};
    blocks_ = declare_transformer(arena, prefix + "trunk", shape_, initials, kTimmBlocks);
    norm_ = declare_layer_norm(arena, trunk + "norm", width, c.eps());
    if (c.has_attention_pool()) pool_ = declare_attention_pool(arena, trunk + "attn_pool", pool_shape_);
    head_ = TimmHead(arena, prefix, c.timm, width, facts);
  }

  std::int64_t image_size() const override { return config_.timm.image_size; }
  std::int64_t width() const override { return shape_.width; }
  std::int64_t patches() const override { return config_.patches(); }
  std::int64_t size_step() const override { return config_.variant.patch; }
  std::vector<double> drop_rates() const override { return rising_rates(drop_path(config_.timm), shape_.layers, 2); }
  std::string training_note() const override {
    const std::string depth = depth_note(config_.timm), patches = patch_dropout_note(config_.timm.patch_dropout);
    return depth + (depth.empty() || patches.empty() ? "" : "; ") + patches;
  }

  at::Tensor pooled(const at::Tensor& pixels, const std::optional<at::Tensor>& kept, const Pass& pass) const override {
    const std::int64_t batch = pixels.size(0), width = shape_.width, prefix = class_token_ ? 1 : 0;
    const at::Tensor positions = arena_.parameter(positions_).squeeze(0);  // [prefix + patches, width]
    at::Tensor x = embedded_patches(
        arena_, stem_, positions_at(positions.slice(0, prefix), pixels.size(2) / config_.variant.patch), pixels, kept);
    if (class_token_) {
      const at::Tensor first = arena_.parameter(*class_token_).view({width}) + positions.select(0, 0);
      x = at::cat({first.expand({batch, 1, width}), x}, 1);  // [batch, 1 + kept, width]
    }
    if (norm_pre_) x = (*norm_pre_)(arena_, x);
    x = blocks_.forward(arena_, x, false, pass.recompute, {}, pass.branch_scales);
    if (class_token_) return norm_(arena_, x.select(1, 0));
    x = norm_(arena_, x);
    return pool_ ? (*pool_)(arena_, x) : x.mean(1);
  }

  at::Tensor project(const at::Tensor& pooled) const override { return head_(arena_, pooled); }

  Cost cost() const override {  // n patches are n tokens, and one more with a class token
    const double linear = shape_.macs_per_token(), squared = shape_.macs_per_token_squared();
    const double more = class_token_ ? 1 : 0, patch = static_cast<double>(config_.variant.patch);
    return {.fixed = more * (linear + squared) + (pool_ ? pool_shape_.fixed_macs() : 0) + head_.macs(),
            .per_token = 3 * patch * patch * static_cast<double>(shape_.width) + linear + more * 2 * squared +
                         (pool_ ? pool_shape_.macs_per_token() : 0),
            .per_token_squared = squared};
  }

  std::vector<AttentionShape> attention_shapes(std::int64_t rows, std::int64_t kept) const override {
    return {{rows, shape_.heads, kept + (class_token_ ? 1 : 0), shape_.width / shape_.heads, false}};
  }

  Json to_json() const override {
    Json json = clip_hpc::to_json(config_.timm);
    if (config_.has_kwargs) {
      const Variant& v = config_.variant;
      json["timm_model_kwargs"] = {
          {"img_size", v.image_size},
          {"patch_size", v.patch},
          {"embed_dim", v.size.width},
          {"depth", v.size.depth},
          {"num_heads", v.size.heads},
          {"act_layer", config_.activation == Gelu::tanh ? kTanhName : kExactName},
          // Half a channel more: what is computed from it is rounded down.
          {"mlp_ratio", (static_cast<double>(v.size.mlp_width) + 0.5) / static_cast<double>(v.size.width)}};
    }
    return json;
  }

 private:
  static TransformerShape shape_of(const TimmVitConfig& c) {
    const Size& size = c.variant.size;
    const bool is_gap = c.variant.style == Style::gap;
    return {.width = size.width,
            .layers = size.depth,
            .heads = size.heads,
            .mlp_width = size.mlp_width,
            .activation = c.activation,
            .norm_eps = c.eps(),
            .layer_scale = is_gap ? std::optional(1e-6) : std::nullopt,
            .has_qkv_bias = !is_gap};
  }
  static AttentionPoolShape pool_shape_of(const TimmVitConfig& c) {
    const Size& size = c.variant.size;
    return {size.width, size.heads, size.mlp_width, c.activation, c.eps()};
  }

  const ParameterArena& arena_;
  TimmVitConfig config_;
  TransformerShape shape_;
  AttentionPoolShape pool_shape_;
  std::optional<std::size_t> class_token_;
  std::size_t positions_;
  Affine stem_;
  std::optional<LayerNorm> norm_pre_;
  Transformer blocks_;
  LayerNorm norm_;
  std::optional<AttentionPool> pool_;
  TimmHead head_;
};

bool reads(const Json& json) {
  return json.contains("timm_model_name") && json.at("timm_model_name").is_string() &&
         variant_named(json.at("timm_model_name").get<std::string>()) != nullptr;
}

std::unique_ptr<ImageTower> declare(ParameterArena& arena, const Json& json, const TowerFacts& facts,
                                    const std::string& prefix) {
  return std::make_unique<TimmVit>(arena, read_config(json, facts.model), facts, prefix);
}

}  // namespace

Gelu timm_vit_activation(const Json& vision_cfg) { return read_config(vision_cfg, "timm").activation; }

std::string timm_siglip_name(const Json& kwargs) {
  for (const Variant& v : kVariants) {
    if (v.style != Style::siglip && v.style != Style::siglip_tanh) continue;
    const Size& size = v.size;
    const auto mlp =
        static_cast<std::int64_t>(kwargs.at("mlp_ratio").get<double>() * kwargs.at("embed_dim").get<double>());
    if (kwargs.at("img_size") == v.image_size && kwargs.at("patch_size") == v.patch &&
        kwargs.at("embed_dim") == size.width && kwargs.at("depth") == size.depth &&
        kwargs.at("num_heads") == size.heads && mlp == size.mlp_width &&
        kwargs.at("act_layer") == (v.style == Style::siglip_tanh ? kTanhName : kExactName)) {
      return v.name;
    }
  }
  return {};
}

extern const ImageTowerKind kTimmVit{
    "timm_vit", "Vision Transformer of timm: timm_model_name is vit_base_patch16_siglip_224 or another", reads,
    declare};

}  // namespace clip_hpc
