// ConvNeXt (Liu et al. 2022) as timm has it and open_clip hangs it into CLIP: names, shapes and arithmetic of
// `visual.trunk.*` and `visual.head.*`.
#include <array>

#include "clip_hpc/model/layers/layer_norm.hpp"
#include "clip_hpc/model/towers/tower.hpp"
#include "clip_hpc/ops/conv.hpp"
#include "clip_hpc/ops/fused_ops.hpp"
#include "clip_hpc/ops/linear.hpp"
#include "clip_hpc/ops/recompute.hpp"
#include "model/model_section.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kStages = 4, kStemPatch = 4, kKernel = 7, kMlpRatio = 4;
constexpr std::int64_t kStride = 32;  // of the whole tower

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

struct ConvNextConfig {
  const Variant* variant = nullptr;
  std::int64_t image_size = 224;
  std::string pool = "avg", projection = "linear";
  bool projection_bias = false;
  double drop_path = 0;
};

const Variant& variant_of(const std::string& name, const std::string& model) {
  std::vector<std::string> names;
  for (const Variant& variant : kVariants) {
    if (name == variant.name) return variant;
    names.emplace_back(variant.name);
  }
  throw input_error("model {}: timm_model_name = {} is not known; known are {}", model, name, fmt::join(names, ", "));
}

ConvNextConfig read_config(const Json& json, const std::string& model) {
  ConvNextConfig c;
  std::string name;
  double drop = 0, patch_dropout = 0;
  ModelSection section(json, model + ": vision_cfg");
  section.read("timm_model_name", name);
  section.read_side("image_size", c.image_size);
  section.read("timm_pool", c.pool);
  section.read("timm_proj", c.projection);
  section.read("timm_proj_bias", c.projection_bias);
  section.read("timm_drop", drop);
  if (section.find("timm_drop_path") != nullptr) section.read("timm_drop_path", c.drop_path);  // null: 0, timm's own
  section.read("patch_dropout", patch_dropout);
  section.known({"timm_drop_path", "timm_model_pretrained"});  // weights of ImageNet: this build has none to fetch
  section.known(
      {"layers", "width", "head_width", "mlp_ratio", "patch_size"});  // the variant says them, in open_clip too
  section.finish();
  c.variant = &variant_of(name, model);
  require(c.image_size > 0 && c.image_size % kStride == 0, model,
          fmt::format("image_size = {} must be a multiple of {}", c.image_size, kStride));
  require(c.pool.empty() || c.pool == "avg", model,
          fmt::format("timm_pool = {} is not supported: use avg, or an empty text", c.pool));
  require(c.projection == "linear" || c.projection == "mlp" || c.projection == "none", model,
          fmt::format("timm_proj = \"{}\" is not supported: use linear, mlp or none", c.projection));
  require(drop == 0, model, "timm_drop must be 0: this build has no dropout");
  require(patch_dropout == 0, model, "patch_dropout must be 0: a ConvNeXt needs all of its patches");
  require(c.drop_path >= 0 && c.drop_path < 1, model, "timm_drop_path must be in [0, 1)");
  return c;
}

struct Affine {  // a matrix or a kernel, and its bias
  std::size_t weight, bias;
  bool has_bias = true;
};

struct ConvNextBlock {
  std::size_t gamma;
  Affine depthwise, fc1, fc2;
  LayerNorm norm;
};

struct Stage {
  std::optional<LayerNorm> norm;  // with downsample: of all stages but the first
  Affine downsample;
  std::vector<ConvNextBlock> blocks;
};

// Declares what timm declares, in its order and with its initial values: weights normal 0.02, biases 0.
class Declarer {
 public:
  explicit Declarer(ParameterArena& arena) : arena_(arena) {}
  Affine affine(const std::string& name, std::vector<std::int64_t> shape) const {
    const std::int64_t out = shape[0];
    return affine(name, std::move(shape), truncated_normal(0.02), zeros(), out);
  }
  // torch's Linear, as open_clip's head has it
  Affine head(const std::string& name, std::int64_t out, std::int64_t in, bool has_bias) const {
    const Distribution initial = torch_linear(in);
    if (has_bias) return affine(name, {out, in}, initial, initial, out);
    return {arena_.declare(name + ".weight", {out, in}, {.initial = initial}), 0, false};
  }
  std::size_t layer_scale(const std::string& name, std::int64_t width) const {
    return arena_.declare(name, {width}, {.decay = false, .initial = constant(1e-6)});
  }
  LayerNorm norm(const std::string& name, std::int64_t width) const { return declare_layer_norm(arena_, name, width); }

 private:
  Affine affine(const std::string& name, std::vector<std::int64_t> shape, const Initial& weight, const Initial& bias,
                std::int64_t out) const {
    const std::size_t matrix = arena_.declare(name + ".weight", std::move(shape), {.initial = weight});
    return {matrix, arena_.declare(name + ".bias", {out}, {.decay = false, .initial = bias})};
  }
  ParameterArena& arena_;
};

class ConvNext : public ImageTower {
 public:
  ConvNext(ParameterArena& arena, const ConvNextConfig& config, const TowerFacts& facts, const std::string& prefix)
      : arena_(arena), config_(config), model_(facts.model), embed_dim_(facts.embed_dim) {
    const Declarer declarer(arena);
    const std::string trunk = prefix + "trunk.";
    const auto& widths = config_.variant->widths;
    stem_ = declarer.affine(trunk + "stem.0", {widths[0], 3, kStemPatch, kStemPatch});
    stem_norm_ = declarer.norm(trunk + "stem.1", widths[0]);
    for (std::size_t i = 0; i < widths.size(); ++i) declare_stage(declarer, trunk, i);
    head_norm_ = declarer.norm(trunk + "head.norm", width());
    if (config_.projection == "linear") {
      head_ = {declarer.head(prefix + "head.proj", embed_dim_, width(), config_.projection_bias)};
    } else if (config_.projection == "mlp") {
      head_ = {declarer.head(prefix + "head.mlp.fc1", 2 * embed_dim_, width(), true),
               declarer.head(prefix + "head.mlp.fc2", embed_dim_, 2 * embed_dim_, config_.projection_bias)};
    } else {
      require(embed_dim_ == width(), model_,
              fmt::format("timm_proj = none needs embed_dim = {}, the width of the tower", width()));
    }
  }

  std::int64_t image_size() const override { return config_.image_size; }
  std::int64_t width() const override { return config_.variant->widths.back(); }
  std::int64_t patches() const override { return 0; }

  void check_trainable() const override {
    if (config_.drop_path == 0) return;
    throw input_error(
        "model {}: training with timm_drop_path = {} needs stochastic depth, which this build has not: "
        "set it to 0",
        model_, config_.drop_path);
  }

  at::Tensor pooled(const at::Tensor& pixels, const std::optional<at::Tensor>& kept, const Pass& pass) const override {
    if (kept) throw internal_error("a ConvNeXt needs all of its patches");
    at::Tensor x = conv_channels_last(pixels.permute({0, 2, 3, 1}), arena_.parameter(stem_.weight),
                                      arena_.parameter(stem_.bias), {.stride = kStemPatch});
    x = norm(stem_norm_, x);  // [batch, size / 4, size / 4, widths[0]]
    for (const Stage& stage : stages_) {
      if (stage.norm) {
        x = conv_channels_last(norm(*stage.norm, x), arena_.parameter(stage.downsample.weight),
                               arena_.parameter(stage.downsample.bias), {.stride = 2});
      }
      for (const ConvNextBlock& block : stage.blocks) {
        const auto through = [this, &block](const at::Tensor& in) { return block_forward(block, in); };
        x = pass.recompute ? recomputed(through, x) : through(x);
      }
    }
    return norm(head_norm_, x.mean({1, 2}));
  }

  at::Tensor project(const at::Tensor& pooled) const override {
    if (head_.empty()) return pooled;
    const at::Tensor first = matrix(head_[0], pooled);
    return head_.size() == 1 ? first : matrix(head_[1], at::gelu(first));
  }

  Cost cost() const override {
    std::int64_t side = config_.image_size / kStemPatch,
                 macs = side * side * 3 * kStemPatch * kStemPatch * stem_width();
    for (std::size_t i = 0; i < kStages; ++i) {
      const std::int64_t width = config_.variant->widths[i];
      if (i > 0) {
        side /= 2;
        macs += side * side * 4 * config_.variant->widths[i - 1] * width;
      }
      macs += config_.variant->depths[i] * side * side * width * (kKernel * kKernel + 2 * kMlpRatio * width);
    }
    if (config_.projection == "linear") macs += width() * embed_dim_;
    if (config_.projection == "mlp") macs += 2 * embed_dim_ * (width() + embed_dim_);
    return {.fixed = static_cast<double>(macs)};
  }

  std::vector<AttentionShape> attention_shapes(std::int64_t, std::int64_t) const override { return {}; }

  Json to_json() const override {
    return {{"timm_model_name", config_.variant->name},
            {"timm_model_pretrained", false},
            {"timm_pool", config_.pool},
            {"timm_proj", config_.projection},
            {"timm_proj_bias", config_.projection_bias},
            {"timm_drop", 0.0},
            {"timm_drop_path", config_.drop_path},
            {"image_size", config_.image_size}};
  }

 private:
  std::int64_t stem_width() const { return config_.variant->widths.front(); }

  void declare_stage(const Declarer& declarer, const std::string& trunk, std::size_t i) {
    const std::int64_t width = config_.variant->widths[i];
    const std::string name = fmt::format("{}stages.{}.", trunk, i);
    Stage stage{};
    if (i > 0) {
      const std::int64_t before = config_.variant->widths[i - 1];
      stage.norm = declarer.norm(name + "downsample.0", before);
      stage.downsample = declarer.affine(name + "downsample.1", {width, before, 2, 2});
    }
    const auto mlp_shape = [&](std::int64_t out, std::int64_t in) {
      return config_.variant->conv_mlp ? std::vector<std::int64_t>{out, in, 1, 1} : std::vector<std::int64_t>{out, in};
    };
    for (std::int64_t j = 0; j < config_.variant->depths[i]; ++j) {
      const std::string of_block = fmt::format("{}blocks.{}.", name, j);
      ConvNextBlock block{};
      block.gamma = declarer.layer_scale(of_block + "gamma", width);
      block.depthwise = declarer.affine(of_block + "conv_dw", {width, 1, kKernel, kKernel});
      block.norm = declarer.norm(of_block + "norm", width);
      block.fc1 = declarer.affine(of_block + "mlp.fc1", mlp_shape(kMlpRatio * width, width));
      block.fc2 = declarer.affine(of_block + "mlp.fc2", mlp_shape(width, kMlpRatio * width));
      stage.blocks.push_back(block);
    }
    stages_.push_back(stage);
  }

  at::Tensor norm(const LayerNorm& layer, const at::Tensor& x) const { return layer(arena_, x, config_.variant->eps); }

  at::Tensor weight_of(const Affine& layer) const {  // [out, in]
    return arena_.parameter(layer.weight).flatten(1);
  }

  at::Tensor matrix(const Affine& layer, const at::Tensor& x) const {
    return linear_layer(x, weight_of(layer), layer.has_bias ? arena_.parameter(layer.bias) : at::Tensor());
  }

  // x [batch, side, side, width] -> the same shape
  at::Tensor block_forward(const ConvNextBlock& block, const at::Tensor& x) const {
    const std::int64_t width = x.size(3);
    const at::Tensor mixed =
        conv_channels_last(x, arena_.parameter(block.depthwise.weight), arena_.parameter(block.depthwise.bias),
                           {.padding = kKernel / 2, .groups = width});
    const at::Tensor hidden = bias_gelu(linear_layer(norm(block.norm, mixed), weight_of(block.fc1)),
                                        arena_.parameter(block.fc1.bias), false);  // [batch, side, side, 4 * width]
    return at::addcmul(x, matrix(block.fc2, hidden), arena_.parameter(block.gamma));
  }

  const ParameterArena& arena_;
  ConvNextConfig config_;
  std::string model_;
  std::int64_t embed_dim_;
  Affine stem_;
  LayerNorm stem_norm_, head_norm_;
  std::vector<Stage> stages_;
  std::vector<Affine> head_;  // none, one matrix, or the two of an MLP
};

bool reads(const Json& json) {
  return json.contains("timm_model_name") && json.at("timm_model_name").is_string() &&
         json.at("timm_model_name").get<std::string>().rfind("convnext_", 0) == 0;
}

std::unique_ptr<ImageTower> declare(ParameterArena& arena, const Json& json, const TowerFacts& facts,
                                    const std::string& prefix) {
  return std::make_unique<ConvNext>(arena, read_config(json, facts.model), facts, prefix);
}

}  // namespace

extern const ImageTowerKind kConvNext{"convnext", "ConvNeXt of timm: timm_model_name is convnext_tiny or another size",
                                      reads, declare};

}  // namespace clip_hpc
