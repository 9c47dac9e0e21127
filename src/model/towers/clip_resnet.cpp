// CLIP's own ResNet (Radford et al. 2021): three kernels as stem, averages before strides, attention as pooling. Names,
// shapes and arithmetic of open_clip's ModifiedResNet, directly below `visual.`.
#include <cmath>

#include "clip_hpc/model/layers/affine.hpp"
#include "clip_hpc/model/layers/channel_norm.hpp"
#include "clip_hpc/model/layers/residual_block.hpp"
#include "clip_hpc/model/towers/tower.hpp"
#include "clip_hpc/ops/conv.hpp"
#include "clip_hpc/ops/linear.hpp"
#include "model/model_section.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kExpansion = 4, kStages = 4, kStride = 32;
constexpr double kEps = 1e-5;

struct ClipResNetConfig {
  std::vector<std::int64_t> layers{3, 4, 6, 3};
  std::int64_t image_size = 224, width = 64, head_width = 64;

  std::int64_t features() const { return kStride * width; }
  std::int64_t heads() const { return features() / head_width; }
  std::int64_t grid() const { return image_size / kStride; }
};

ClipResNetConfig read_config(const Json& json, const std::string& model) {
  ClipResNetConfig c;
  ModelSection section(json, model + ": vision_cfg");
  section.read("layers", c.layers);
  section.read_side("image_size", c.image_size);
  section.read("width", c.width);
  section.read("head_width", c.head_width);
  section.read_unused("patch_size");
  section.read_unused("timm_model_name");
  section.known({"mlp_ratio", "timm_model_pretrained", "timm_pool", "timm_proj", "timm_proj_bias", "timm_drop",
                 "timm_drop_path"});
  section.finish();
  require(c.layers.size() == kStages, model, "vision_cfg.layers must have four numbers, one a stage");
  for (const std::int64_t depth : c.layers) require_sizes(model, {{"vision_cfg.layers", depth}});
  require_sizes(model, {{"vision_cfg.image_size", c.image_size},
                        {"vision_cfg.width", c.width},
                        {"vision_cfg.head_width", c.head_width}});
  require(c.image_size % kStride == 0, model,
          fmt::format("image_size = {} must be a multiple of {}", c.image_size, kStride));
  require(c.width % 2 == 0 && c.features() % c.head_width == 0, model,
          fmt::format("vision_cfg.width = {} must be even, and {} times it a multiple of head_width = {}", c.width,
                      kStride, c.head_width));
  return c;
}

at::Tensor averaged(const at::Tensor& x, std::int64_t by) {  // [batch, side, side, channels] -> side / by
  if (by == 1) return x;
  return at::avg_pool2d(x.permute({0, 3, 1, 2}), {by, by}, {by, by}).permute({0, 2, 3, 1});
}

// torch's default of convolutions has the same bounds as that of linear layers.
NormedConv declare_conv(ParameterArena& arena, const std::string& kernel, const std::string& norm,
                        std::vector<std::int64_t> shape, double first = 1) {
  const std::int64_t out = shape[0], fan_in = shape[1] * shape[2] * shape[3];
  const Affine conv = declare_affine(arena, kernel, std::move(shape), torch_linear(fan_in), std::nullopt);
  return {conv, declare_channel_norm(arena, norm, out, NormKind::batch, kEps, first)};
}

class ClipResNet : public ImageTower {
 public:
  ClipResNet(ParameterArena& arena, ClipResNetConfig config, const TowerFacts& facts, const std::string& prefix)
      : arena_(arena), config_(std::move(config)), embed_dim_(facts.embed_dim) {
    const std::int64_t width = config_.width;
    stem_ = {declare_conv(arena, prefix + "conv1", prefix + "bn1", {width / 2, 3, 3, 3}),
             declare_conv(arena, prefix + "conv2", prefix + "bn2", {width / 2, width / 2, 3, 3}),
             declare_conv(arena, prefix + "conv3", prefix + "bn3", {width, width / 2, 3, 3})};
    std::int64_t in = width;
    for (std::size_t i = 0; i < kStages; ++i) {
      for (std::int64_t j = 0; j < config_.layers[i]; ++j) {
        arena.begin_group();
        blocks_.push_back(declare_block(arena, fmt::format("{}layer{}.{}.", prefix, i + 1, j), in, width << i,
                                        i > 0 && j == 0 ? 2 : 1, j == 0));
        in = kExpansion * (width << i);
      }
    }
    arena.begin_group();
    declare_pool(arena, prefix + "attnpool.");
  }

  std::int64_t image_size() const override { return config_.image_size; }
  std::int64_t width() const override { return config_.features(); }
  std::int64_t patches() const override { return 0; }
  bool has_batch_statistics() const override { return true; }

  at::Tensor pooled(const at::Tensor& pixels, const std::optional<at::Tensor>& kept, const Pass& pass) const override {
    if (kept) throw internal_error("a ResNet needs all of its patches");
    at::Tensor x = pixels.permute({0, 2, 3, 1});
    for (std::size_t i = 0; i < stem_.size(); ++i) {
      x = normed(stem_[i], x, {.stride = i == 0 ? 2 : 1, .padding = 1}, pass, true);
    }
    x = averaged(x, 2);  // [batch, size / 4, size / 4, width]
    for (const ResidualBlock& block : blocks_) x = block_forward(block, x, pass);
    return attended(x);
  }

  at::Tensor project(const at::Tensor& pooled) const override { return matrix_product(arena_, out_, pooled); }

  Cost cost() const override {
    const std::int64_t width = config_.width, half = config_.image_size / 2;
    std::int64_t macs = half * half * 9 * (3 * width / 2 + width / 2 * (width / 2) + width / 2 * width), in = width;
    std::int64_t side = config_.image_size / 4;
    for (std::size_t i = 0; i < kStages; ++i) {
      const std::int64_t planes = width << i, out = kExpansion * planes;
      for (std::int64_t j = 0; j < config_.layers[i]; ++j) {
        macs += side * side * (in * planes + 9 * planes * planes);
        if (i > 0 && j == 0) side /= 2;
        macs += side * side * planes * out;
        if (j == 0) macs += side * side * in * out;
        in = out;
      }
    }
    const std::int64_t features = config_.features(), tokens = side * side + 1;
    macs += 2 * tokens * features * features + features * features + 2 * tokens * features + features * embed_dim_;
    return {.fixed = static_cast<double>(macs)};
  }

  std::vector<AttentionShape> attention_shapes(std::int64_t, std::int64_t) const override { return {}; }

  Json to_json() const override {
    return {{"image_size", config_.image_size},
            {"layers", config_.layers},
            {"width", config_.width},
            {"head_width", config_.head_width},
            {"patch_size", nullptr}};
  }

 private:
  static ResidualBlock declare_block(ParameterArena& arena, const std::string& name, std::int64_t in,
                                     std::int64_t planes, std::int64_t stride, bool is_first) {
    const std::int64_t out = kExpansion * planes;
    ResidualBlock block;
    block.stride = stride;
    block.convs = {
        declare_conv(arena, name + "conv1", name + "bn1", {planes, in, 1, 1}),
        declare_conv(arena, name + "conv2", name + "bn2", {planes, planes, 3, 3}),
        declare_conv(arena, name + "conv3", name + "bn3", {out, planes, 1, 1}, 0)};  // begins as the identity
    if (is_first) block.downsample = declare_conv(arena, name + "downsample.0", name + "downsample.1", {out, in, 1, 1});
    return block;
  }

  void declare_pool(ParameterArena& arena, const std::string& name) {
    const std::int64_t features = config_.features(), tokens = config_.grid() * config_.grid() + 1;
    const Distribution initial = normal(std::pow(static_cast<double>(features), -0.5));
    positions_ =
        arena.declare(name + "positional_embedding", {tokens, features}, {.position = true, .initial = initial});
    const auto layer = [&](const char* of, std::int64_t out) {
      return declare_affine(arena, name + of, {out, features}, initial, torch_linear(features));
    };
    key_ = layer("k_proj", features);
    query_ = layer("q_proj", features);
    value_ = layer("v_proj", features);
    out_ = layer("c_proj", embed_dim_);
    for (const Affine& one : {key_, query_, value_}) {
      arena.factor_as(one.weight, {config_.heads(), config_.head_width, features});
    }
    arena.factor_as(out_.weight, {embed_dim_, config_.heads(), config_.head_width});
  }

  at::Tensor normed(const NormedConv& layer, const at::Tensor& x, const ConvShape& shape, const Pass& pass,
                    bool relu = false) const {
    return layer.norm(arena_, conv_channels_last(x, arena_.parameter(layer.kernel.weight), {}, shape), pass, relu);
  }

  at::Tensor block_forward(const ResidualBlock& block, const at::Tensor& x, const Pass& pass) const {
    at::Tensor y = normed(block.convs[0], x, {}, pass, true);
    y = averaged(normed(block.convs[1], y, {.padding = 1}, pass, true), block.stride);
    y = normed(block.convs[2], y, {}, pass);
    const at::Tensor shortcut = block.downsample ? normed(*block.downsample, averaged(x, block.stride), {}, pass) : x;
    return (y + shortcut).relu();
  }

  // The mean token asks all places and itself: x [batch, grid, grid, features] -> [batch, features], before c_proj.
  at::Tensor attended(const at::Tensor& x) const {
    const std::int64_t batch = x.size(0), heads = config_.heads(), each = config_.head_width;
    at::Tensor tokens = x.flatten(1, 2);  // [batch, places, features]
    tokens = at::cat({tokens.mean(1, true), tokens}, 1) + arena_.parameter(positions_);
    const auto of_heads = [&](const Affine& layer, const at::Tensor& from) {
      return matrix_product(arena_, layer, from)
          .view({batch, -1, heads, each})
          .transpose(1, 2);  // [batch, heads, n, each]
    };
    const at::Tensor query = of_heads(query_, tokens.slice(1, 0, 1)) * std::pow(static_cast<double>(each), -0.5);
    const at::Tensor weights = at::matmul(query, of_heads(key_, tokens).transpose(-2, -1)).softmax(-1);
    return at::matmul(weights, of_heads(value_, tokens)).reshape({batch, config_.features()});
  }

  const ParameterArena& arena_;
  ClipResNetConfig config_;
  std::int64_t embed_dim_;
  std::vector<NormedConv> stem_;
  std::vector<ResidualBlock> blocks_;
  std::size_t positions_ = 0;
  Affine key_, query_, value_, out_;
};

bool reads(const Json& json) { return json.contains("layers") && json.at("layers").is_array(); }

std::unique_ptr<ImageTower> declare(ParameterArena& arena, const Json& json, const TowerFacts& facts,
                                    const std::string& prefix) {
  return std::make_unique<ClipResNet>(arena, read_config(json, facts.model), facts, prefix);
}

}  // namespace

extern const ImageTowerKind kClipResNet{"clip_resnet", "CLIP's ResNet (RN50 and others): layers is a list", reads,
                                        declare};

}  // namespace clip_hpc
