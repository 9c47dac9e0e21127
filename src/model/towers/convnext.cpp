// ConvNeXt (Liu et al. 2022) as timm has it and open_clip hangs it into CLIP: names, shapes and arithmetic of
// `visual.trunk.*` and `visual.head.*`.
#include <array>
#include <numeric>
#include <vector>

#include "clip_hpc/model/layers/affine.hpp"
#include "clip_hpc/model/layers/layer_norm.hpp"
#include "clip_hpc/model/layers/mlp.hpp"
#include "clip_hpc/model/layers/stochastic_depth.hpp"
#include "clip_hpc/model/layers/timm_head.hpp"
#include "clip_hpc/model/towers/tower.hpp"
#include "clip_hpc/ops/conv.hpp"
#include "clip_hpc/ops/recompute.hpp"
#include "model/model_section.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kStages = 4, kKernel = 7, kMlpRatio = 4;

struct Variant {
  const char* name;
  std::array<std::int64_t, kStages> depths, widths;
  bool conv_mlp = false;  // timm keeps the MLP's matrices as 1x1 convolutions: another shape, the same product
  double eps = 1e-6;
};

constexpr std::array kVariants{
    Variant{"convnext_atto", {2, 2, 6, 2}, {40, 80, 160, 320}, true},
    Variant{"convnext_femto", {2, 2, 6, 2}, {48, 96, 192, 384}, true},
    Variant{"convnext_pico", {2, 2, 6, 2}, {64, 128, 256, 512}, true},
    Variant{"convnext_nano", {2, 2, 8, 2}, {80, 160, 320, 640}, true},
    Variant{"convnext_tiny", {3, 3, 9, 3}, {96, 192, 384, 768}},
    Variant{"convnext_small", {3, 3, 27, 3}, {96, 192, 384, 768}},
    Variant{"convnext_base", {3, 3, 27, 3}, {128, 256, 512, 1024}},
    Variant{"convnext_large", {3, 3, 27, 3}, {192, 384, 768, 1536}},
    Variant{"convnext_xlarge", {3, 3, 27, 3}, {256, 512, 1024, 2048}},
    Variant{"convnext_xxlarge", {3, 4, 30, 3}, {384, 768, 1536, 3072}, false, 1e-5},
};

// What timm knows by name, or, for a model of one's own, by timm_model_kwargs.
struct ConvNextConfig {
  TimmConfig timm;
  std::vector<std::int64_t> depths, widths;
  std::int64_t stem_patch = 4;
  double layer_scale = 1e-6, eps = 1e-6;
  bool conv_mlp = false, has_kwargs = false;

  bool halves(std::size_t stage) const { return stage > 0 || stem_patch == 2; }  // timm's rule: a quarter by its stages
  std::int64_t blocks() const { return std::accumulate(depths.begin(), depths.end(), std::int64_t{0}); }
};

void read_kwargs(const Json& json, const std::string& model, ConvNextConfig& c) {
  ModelSection kwargs(json, model + ": timm_model_kwargs");
  kwargs.read("depths", c.depths);
  kwargs.read("dims", c.widths);
  kwargs.read("patch_size", c.stem_patch);
  kwargs.read("ls_init_value", c.layer_scale);
  kwargs.finish();
  require(c.depths.size() == kStages && c.widths.size() == kStages, model,
          "timm_model_kwargs: depths and dims must have four numbers, one a stage");
  require_sizes(model, {{"timm_model_kwargs.patch_size", c.stem_patch}});
  for (std::size_t i = 0; i < c.depths.size(); ++i) {
    require_sizes(model, {{"timm_model_kwargs.depths", c.depths[i]}, {"timm_model_kwargs.dims", c.widths[i]}});
  }
}

ConvNextConfig read_config(const Json& json, const std::string& model) {
  ModelSection section(json, model + ": vision_cfg");
  ConvNextConfig c;
  c.timm = read_timm_config(section, model);
  const Variant& variant = timm_variant(kVariants, c.timm.name, model);
  c.depths.assign(variant.depths.begin(), variant.depths.end());
  c.widths.assign(variant.widths.begin(), variant.widths.end());
  c.conv_mlp = variant.conv_mlp;
  c.eps = variant.eps;
  if (const Json* const own = section.find("timm_model_kwargs"); own != nullptr) {
    read_kwargs(*own, model, c);
    c.has_kwargs = true;
  }
  section.known({"timm_model_kwargs"});
  section.finish();
  const std::int64_t stride = c.stem_patch << (c.halves(0) ? kStages : kStages - 1);
  require(c.timm.image_size % stride == 0, model,
          fmt::format("image_size = {} must be a multiple of {}", c.timm.image_size, stride));
  return c;
}

struct ConvNextBlock {
  std::size_t gamma;
  Affine depthwise;
  Mlp mlp;
  LayerNorm norm;
};

struct Stage {
  std::optional<LayerNorm> norm;  // with downsample: of the stages that halve the sides
  Affine downsample;
  std::vector<ConvNextBlock> blocks;
};

// As timm declares them: weights normal 0.02, biases 0.
Affine declare_layer(ParameterArena& arena, const std::string& name, std::vector<std::int64_t> shape) {
  return declare_affine(arena, name, std::move(shape), truncated_normal(0.02));
}

class ConvNext : public ImageTower {
 public:
  ConvNext(ParameterArena& arena, ConvNextConfig config, const TowerFacts& facts, const std::string& prefix)
      : arena_(arena), config_(std::move(config)) {
    const std::string trunk = prefix + "trunk.";
    stem_ = declare_layer(arena, trunk + "stem.0", {config_.widths[0], 3, config_.stem_patch, config_.stem_patch});
    stem_norm_ = declare_layer_norm(arena, trunk + "stem.1", config_.widths[0], config_.eps);
    for (std::size_t i = 0; i < config_.widths.size(); ++i) declare_stage(arena, trunk, i);
    head_norm_ = declare_layer_norm(arena, trunk + "head.norm", width(), config_.eps);
    head_ = TimmHead(arena, prefix, config_.timm, width(), facts);
  }

  std::int64_t image_size() const override { return config_.timm.image_size; }
  std::int64_t width() const override { return config_.widths.back(); }
  std::int64_t patches() const override { return 0; }
  std::int64_t size_step() const override {
    std::int64_t step = config_.stem_patch;
    for (std::size_t i = 0; i < config_.depths.size(); ++i) step *= config_.halves(i) ? 2 : 1;
    return step;
  }

  std::vector<double> drop_rates() const override { return rising_rates(drop_path(config_.timm), config_.blocks(), 1); }
  std::string training_note() const override { return depth_note(config_.timm); }

  at::Tensor pooled(const at::Tensor& pixels, const std::optional<at::Tensor>& kept, const Pass& pass) const override {
    if (kept) throw internal_error("a ConvNeXt needs all of its patches");
    at::Tensor x = conv(stem_, pixels.permute({0, 2, 3, 1}), {.stride = config_.stem_patch});
    x = stem_norm_(arena_, x);  // [batch, size / 4, size / 4, widths[0]]
    std::int64_t branch = 0;
    for (const Stage& stage : stages_) {
      if (stage.norm) {
        x = conv(stage.downsample, (*stage.norm)(arena_, x), {.stride = 2});
      }
      for (const ConvNextBlock& block : stage.blocks) {
        const auto through = [this, &block, branch, pass](const at::Tensor& in) {
          return block_forward(block, in, branch, pass);
        };
        ++branch;
        x = pass.recompute ? recomputed(through, x) : through(x);
      }
    }
    return head_norm_(arena_, x.mean({1, 2}));
  }

  at::Tensor project(const at::Tensor& pooled) const override { return head_(arena_, pooled); }

  Cost cost() const override {
    const std::int64_t patch = config_.stem_patch;
    std::int64_t side = config_.timm.image_size / patch, macs = side * side * 3 * patch * patch * config_.widths[0];
    for (std::size_t i = 0; i < config_.depths.size(); ++i) {
      const std::int64_t width = config_.widths[i];
      if (config_.halves(i)) {
        side /= 2;
        macs += side * side * 4 * width_before(i) * width;
      }
      macs += config_.depths[i] * side * side * width * (kKernel * kKernel + 2 * kMlpRatio * width);
    }
    return {.fixed = static_cast<double>(macs) + head_.macs()};
  }

  std::vector<AttentionShape> attention_shapes(std::int64_t, std::int64_t) const override { return {}; }

  Json to_json() const override {
    Json json = clip_hpc::to_json(config_.timm);
    if (config_.has_kwargs) {
      json["timm_model_kwargs"] = {{"depths", config_.depths},
                                   {"dims", config_.widths},
                                   {"patch_size", config_.stem_patch},
                                   {"ls_init_value", config_.layer_scale}};
    }
    return json;
  }

 private:
  std::int64_t width_before(std::size_t stage) const { return config_.widths[stage > 0 ? stage - 1 : 0]; }

  void declare_stage(ParameterArena& arena, const std::string& trunk, std::size_t i) {
    const std::int64_t width = config_.widths[i];
    const std::string name = fmt::format("{}stages.{}.", trunk, i);
    Stage stage{};
    if (config_.halves(i)) {  // with the stage's first block
      arena.begin_group();
      const std::int64_t before = width_before(i);
      stage.norm = declare_layer_norm(arena, name + "downsample.0", before, config_.eps);
      stage.downsample = declare_layer(arena, name + "downsample.1", {width, before, 2, 2});
    }
    const auto mlp_shape = [&](std::int64_t out, std::int64_t in) {
      return config_.conv_mlp ? std::vector<std::int64_t>{out, in, 1, 1} : std::vector<std::int64_t>{out, in};
    };
    for (std::int64_t j = 0; j < config_.depths[i]; ++j) {
      const std::string of_block = fmt::format("{}blocks.{}.", name, j);
      if (!config_.halves(i) || j > 0) arena.begin_group();
      ConvNextBlock block{};
      block.gamma =
          arena.declare(of_block + "gamma", {width}, {.decay = false, .initial = constant(config_.layer_scale)});
      block.depthwise = declare_layer(arena, of_block + "conv_dw", {width, 1, kKernel, kKernel});
      block.norm = declare_layer_norm(arena, of_block + "norm", width, config_.eps);
      block.mlp.fc1 = declare_layer(arena, of_block + "mlp.fc1", mlp_shape(kMlpRatio * width, width));
      block.mlp.fc2 = declare_layer(arena, of_block + "mlp.fc2", mlp_shape(width, kMlpRatio * width));
      stage.blocks.push_back(block);
    }
    stages_.push_back(stage);
  }

  at::Tensor conv(const Affine& layer, const at::Tensor& x, const ConvShape& shape) const {
    return conv_channels_last(x, arena_.parameter(layer.weight), arena_.parameter(*layer.bias), shape);
  }

  // x [batch, side, side, width] -> the same shape
  at::Tensor block_forward(const ConvNextBlock& block, const at::Tensor& x, std::int64_t branch,
                           const Pass& pass) const {
    const std::int64_t width = x.size(3);
    const at::Tensor mixed = conv(block.depthwise, x, {.padding = kKernel / 2, .groups = width});
    const at::Tensor delta = block.mlp(arena_, block.norm(arena_, mixed), Gelu::exact);
    return at::addcmul(x, scaled_branch(pass, branch, delta), arena_.parameter(block.gamma));
  }

  const ParameterArena& arena_;
  ConvNextConfig config_;
  Affine stem_;
  LayerNorm stem_norm_, head_norm_;
  std::vector<Stage> stages_;
  TimmHead head_;
};

bool reads(const Json& json) { return names_timm_trunk(json, "convnext_"); }

std::unique_ptr<ImageTower> declare(ParameterArena& arena, const Json& json, const TowerFacts& facts,
                                    const std::string& prefix) {
  return std::make_unique<ConvNext>(arena, read_config(json, facts.model), facts, prefix);
}

}  // namespace

extern const ImageTowerKind kConvNext{"convnext", "ConvNeXt of timm: timm_model_name is convnext_tiny or another size",
                                      reads, declare};

}  // namespace clip_hpc
