// Swin Transformer (Liu et al. 2021) as timm has it and open_clip hangs it into CLIP: names, shapes and arithmetic of
// `visual.trunk.*`. Activations are [batch, height, width, channels].
#include <array>
#include <numeric>

#include "clip_hpc/model/layers/affine.hpp"
#include "clip_hpc/model/layers/layer_norm.hpp"
#include "clip_hpc/model/layers/mlp.hpp"
#include "clip_hpc/model/layers/stochastic_depth.hpp"
#include "clip_hpc/model/layers/timm_head.hpp"
#include "clip_hpc/model/towers/tower.hpp"
#include "clip_hpc/ops/conv.hpp"
#include "clip_hpc/ops/recompute.hpp"
#include "model/layers/shifted_windows.hpp"
#include "model/model_section.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kMlpRatio = 4;
constexpr double kTimmDropPath = 0.1;  // where a configuration does not say

struct Variant {
  const char* name;
  std::int64_t width, window, image_size;
  std::array<std::int64_t, 4> depths, heads;
};
constexpr std::array kVariants{
    Variant{"swin_tiny_patch4_window7_224", 96, 7, 224, {2, 2, 6, 2}, {3, 6, 12, 24}},
    Variant{"swin_small_patch4_window7_224", 96, 7, 224, {2, 2, 18, 2}, {3, 6, 12, 24}},
    Variant{"swin_base_patch4_window7_224", 128, 7, 224, {2, 2, 18, 2}, {4, 8, 16, 32}},
    Variant{"swin_base_patch4_window12_384", 128, 12, 384, {2, 2, 18, 2}, {4, 8, 16, 32}},
    Variant{"swin_large_patch4_window7_224", 192, 7, 224, {2, 2, 18, 2}, {6, 12, 24, 48}},
    Variant{"swin_large_patch4_window12_384", 192, 12, 384, {2, 2, 18, 2}, {6, 12, 24, 48}},
};

// What timm knows by name, or, for a model of one's own, by timm_model_kwargs.
struct SwinConfig {
  TimmConfig timm;
  std::int64_t width = 0, window = 0, patch = 4;
  std::vector<std::int64_t> depths, heads;
  bool has_kwargs = false;

  std::int64_t side(std::size_t stage) const { return timm.image_size / patch >> stage; }
  std::int64_t width_of(std::size_t stage) const { return width << stage; }
};

void read_kwargs(const Json& json, const std::string& model, SwinConfig& c) {
  ModelSection kwargs(json, model + ": timm_model_kwargs");
  std::int64_t image_size = c.timm.image_size;
  kwargs.read("embed_dim", c.width);
  kwargs.read("window_size", c.window);
  kwargs.read("patch_size", c.patch);
  kwargs.read("depths", c.depths);
  kwargs.read("num_heads", c.heads);
  kwargs.read_side("img_size", image_size);
  kwargs.finish();
  require(image_size == c.timm.image_size, model,
          fmt::format("image_size = {} must be timm_model_kwargs.img_size = {}", c.timm.image_size, image_size));
  require_sizes(model, {{"timm_model_kwargs.embed_dim", c.width},
                        {"timm_model_kwargs.window_size", c.window},
                        {"timm_model_kwargs.patch_size", c.patch}});
  require(!c.depths.empty() && c.depths.size() <= 6 && c.depths.size() == c.heads.size(), model,
          "timm_model_kwargs: depths and num_heads must have one number a stage, of 1 to 6 stages");
  for (std::size_t i = 0; i < c.depths.size(); ++i) {
    require_sizes(model, {{"timm_model_kwargs.depths", c.depths[i]}, {"timm_model_kwargs.num_heads", c.heads[i]}});
    require(c.width_of(i) % c.heads[i] == 0, model,
            fmt::format("timm_model_kwargs: num_heads = {} must divide the width {} of its stage", c.heads[i],
                        c.width_of(i)));
  }
}

SwinConfig read_config(const Json& json, const std::string& model) {
  ModelSection section(json, model + ": vision_cfg");
  SwinConfig c;
  c.timm = read_timm_config(section, model);
  const Variant& variant = timm_variant(kVariants, c.timm.name, model);
  c.width = variant.width;
  c.window = variant.window;
  c.depths.assign(variant.depths.begin(), variant.depths.end());
  c.heads.assign(variant.heads.begin(), variant.heads.end());
  if (const Json* const own = section.find("timm_model_kwargs"); own != nullptr) {
    read_kwargs(*own, model, c);
    c.has_kwargs = true;
  } else {
    require(c.timm.image_size == variant.image_size, model,
            fmt::format("image_size = {}: {} is of {}; another size is timm_model_kwargs {{\"img_size\": {}}}",
                        c.timm.image_size, c.timm.name, variant.image_size, c.timm.image_size));
  }
  section.known({"timm_model_kwargs"});
  section.finish();
  const std::int64_t stride = c.patch << (c.depths.size() - 1);
  require(c.timm.image_size % stride == 0, model,
          fmt::format("image_size = {} must be a multiple of {}", c.timm.image_size, stride));
  return c;
}

struct SwinBlock {
  LayerNorm norm1, norm2;
  std::size_t bias_table;
  Affine qkv, proj;
  Mlp mlp;
  bool is_shifted;
};

struct Stage {
  std::optional<LayerNorm> norm;  // with reduction: of all stages but the first
  Affine reduction;
  ShiftedWindows windows;
  std::vector<SwinBlock> blocks;
};

Affine declare_linear(ParameterArena& arena, const std::string& name, std::int64_t out, std::int64_t in) {
  return declare_affine(arena, name, {out, in}, truncated_normal(0.02));
}

class Swin : public ImageTower {
 public:
  Swin(ParameterArena& arena, SwinConfig config, const TowerFacts& facts, const std::string& prefix)
      : arena_(arena), config_(std::move(config)) {
    const std::string trunk = prefix + "trunk.";
    const std::int64_t patch = config_.patch;
    const Initial conv = torch_linear(3 * patch * patch);
    stem_ = declare_affine(arena, trunk + "patch_embed.proj", {config_.width, 3, patch, patch}, conv, conv);
    stem_norm_ = declare_layer_norm(arena, trunk + "patch_embed.norm", config_.width);
    for (std::size_t i = 0; i < config_.depths.size(); ++i) declare_stage(arena, trunk, i);
    norm_ = declare_layer_norm(arena, trunk + "norm", width());
    head_ = TimmHead(arena, prefix, config_.timm, width(), facts);
  }

  std::int64_t image_size() const override { return config_.timm.image_size; }
  std::int64_t width() const override { return config_.width_of(config_.depths.size() - 1); }
  std::int64_t patches() const override { return 0; }  // its windows need all of them
  std::vector<double> drop_rates() const override {
    return rising_rates(drop_path(config_.timm),
                        std::accumulate(config_.depths.begin(), config_.depths.end(), std::int64_t{0}), 2);
  }
  std::string training_note() const override { return depth_note(config_.timm, kTimmDropPath); }

  at::Tensor pooled(const at::Tensor& pixels, const std::optional<at::Tensor>& kept, const Pass& pass) const override {
    if (kept) throw internal_error("a Swin needs all of its patches");
    at::Tensor x = conv_channels_last(pixels.permute({0, 2, 3, 1}), arena_.parameter(stem_.weight),
                                      arena_.parameter(*stem_.bias), {.stride = config_.patch});
    x = stem_norm_(arena_, x);  // [batch, size / 4, size / 4, width]
    std::int64_t branch = 0;
    for (const Stage& stage : stages_) {
      if (stage.norm) x = merged(stage, x);
      for (const SwinBlock& block : stage.blocks) {
        const auto through = [this, &stage, &block, branch, pass](const at::Tensor& in) {
          return block_forward(stage, block, in, branch, pass);
        };
        branch += 2;
        x = pass.recompute ? recomputed(through, x) : through(x);
      }
    }
    return norm_(arena_, x).mean({1, 2});
  }

  at::Tensor project(const at::Tensor& pooled) const override { return head_(arena_, pooled); }

  Cost cost() const override {
    std::int64_t macs = config_.side(0) * config_.side(0) * 3 * config_.patch * config_.patch * config_.width;
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      const std::int64_t width = config_.width_of(i), tokens = config_.side(i) * config_.side(i);
      const std::int64_t in_windows = stages_[i].windows.padded_tokens(), window = stages_[i].windows.tokens();
      if (i > 0) macs += tokens * 2 * width * width;  // 4 (width / 2) -> width
      macs += config_.depths[i] *
              (in_windows * (4 * width * width + 2 * window * width) + tokens * 2 * kMlpRatio * width * width);
    }
    return {.fixed = static_cast<double>(macs) + head_.macs()};
  }

  std::vector<AttentionShape> attention_shapes(std::int64_t, std::int64_t) const override { return {}; }

  Json to_json() const override {
    Json json = clip_hpc::to_json(config_.timm);
    if (config_.has_kwargs) {
      json["timm_model_kwargs"] = {{"embed_dim", config_.width},  {"window_size", config_.window},
                                   {"patch_size", config_.patch}, {"depths", config_.depths},
                                   {"num_heads", config_.heads},  {"img_size", config_.timm.image_size}};
    }
    return json;
  }

 private:
  void declare_stage(ParameterArena& arena, const std::string& trunk, std::size_t i) {
    const std::int64_t width = config_.width_of(i), heads = config_.heads[i];
    const std::string name = fmt::format("{}layers.{}.", trunk, i);
    Stage stage{.norm = {}, .reduction = {}, .windows = ShiftedWindows(config_.side(i), config_.window), .blocks = {}};
    if (i > 0) {  // with the stage's first block
      arena.begin_group();
      stage.norm = declare_layer_norm(arena, name + "downsample.norm", 2 * width);
      stage.reduction = declare_affine(arena, name + "downsample.reduction", {width, 2 * width}, truncated_normal(0.02),
                                       std::nullopt);
    }
    for (std::int64_t j = 0; j < config_.depths[i]; ++j) {
      const std::string of = fmt::format("{}blocks.{}.", name, j);
      if (i == 0 || j > 0) arena.begin_group();
      SwinBlock block{};
      block.is_shifted = j % 2 == 1;
      block.norm1 = declare_layer_norm(arena, of + "norm1", width);
      block.bias_table = arena.declare(of + "attn.relative_position_bias_table", {stage.windows.biases(), heads},
                                       {.decay = false, .initial = truncated_normal(0.02)});
      block.qkv = declare_linear(arena, of + "attn.qkv", 3 * width, width);
      block.proj = declare_linear(arena, of + "attn.proj", width, width);
      arena.factor_as(block.qkv.weight, {3, heads, width / heads, width});
      arena.factor_as(block.proj.weight, {width, heads, width / heads});
      block.norm2 = declare_layer_norm(arena, of + "norm2", width);
      block.mlp.fc1 = declare_linear(arena, of + "mlp.fc1", kMlpRatio * width, width);
      block.mlp.fc2 = declare_linear(arena, of + "mlp.fc2", width, kMlpRatio * width);
      stage.blocks.push_back(block);
    }
    stages_.push_back(std::move(stage));
  }

  // x [batch, side, side, width / 2] -> [batch, side / 2, side / 2, width]
  at::Tensor merged(const Stage& stage, const at::Tensor& x) const {
    const std::int64_t batch = x.size(0), side = x.size(1) / 2, channels = x.size(3);
    // timm's order of the four neighbours: (0, 0), (1, 0), (0, 1), (1, 1) as (row, column)
    const at::Tensor four = x.view({batch, side, 2, side, 2, channels}).permute({0, 1, 3, 4, 2, 5});
    return matrix_product(arena_, stage.reduction,
                          (*stage.norm)(arena_, four.reshape({batch, side, side, 4 * channels})));
  }

  // x [batch, side, side, width] -> the same shape. `branch`: the first of the block's two.
  at::Tensor block_forward(const Stage& stage, const SwinBlock& block, const at::Tensor& x, std::int64_t branch,
                           const Pass& pass) const {
    const at::Tensor windows = stage.windows.cut(block.norm1(arena_, x), block.is_shifted);  // [windows, tokens, width]
    const at::Tensor mixed = stage.windows.attention(matrix_product(arena_, block.qkv, windows),
                                                     arena_.parameter(block.bias_table), block.is_shifted);
    const at::Tensor joined =
        stage.windows.join(matrix_product(arena_, block.proj, mixed), x.size(0), block.is_shifted);
    const at::Tensor attended = x + scaled_branch(pass, branch, joined);
    const at::Tensor of_mlp = block.mlp(arena_, block.norm2(arena_, attended), Gelu::exact);
    return attended + scaled_branch(pass, branch + 1, of_mlp);
  }

  const ParameterArena& arena_;
  SwinConfig config_;
  Affine stem_;
  LayerNorm stem_norm_, norm_;
  std::vector<Stage> stages_;
  TimmHead head_;
};

bool reads(const Json& json) { return names_timm_trunk(json, "swin_"); }

std::unique_ptr<ImageTower> declare(ParameterArena& arena, const Json& json, const TowerFacts& facts,
                                    const std::string& prefix) {
  return std::make_unique<Swin>(arena, read_config(json, facts.model), facts, prefix);
}

}  // namespace

extern const ImageTowerKind kSwin{
    "swin", "Swin Transformer of timm: timm_model_name is swin_tiny_patch4_window7_224 or another size", reads,
    declare};

}  // namespace clip_hpc
