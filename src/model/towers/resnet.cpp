// ResNet (He et al. 2016, the variant whose first 3x3 kernel carries the stride) as timm has it and open_clip hangs it
// into CLIP: names, shapes and arithmetic of `visual.trunk.*`. Two kinds of norm: BatchNorm, timm's own, and GroupNorm
// with standardised kernels, after big_vision's bit.py: the paper's likely one, whose results do not depend on the
// number of ranks. The second has timm's names with gn for bn, and no weights of it are known elsewhere.
#include <array>
#include <cmath>

#include "clip_hpc/model/layers/affine.hpp"
#include "clip_hpc/model/layers/channel_norm.hpp"
#include "clip_hpc/model/layers/residual_block.hpp"
#include "clip_hpc/model/layers/stochastic_depth.hpp"
#include "clip_hpc/model/layers/timm_head.hpp"
#include "clip_hpc/model/towers/tower.hpp"
#include "clip_hpc/ops/conv.hpp"
#include "clip_hpc/ops/recompute.hpp"
#include "model/model_section.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kStem = 64, kStages = 4;
constexpr double kBatchEps = 1e-5, kGroupEps = 1e-6;
constexpr double kKernelEps = 1e-5;  // added to the deviation of a kernel that is standardised

struct Variant {
  const char* name;
  std::array<std::int64_t, kStages> depths;
  bool is_bottleneck = true;
};
constexpr std::array kVariants{
    Variant{"resnet18", {2, 2, 2, 2}, false}, Variant{"resnet26", {2, 2, 2, 2}},
    Variant{"resnet34", {3, 4, 6, 3}, false}, Variant{"resnet50", {3, 4, 6, 3}},
    Variant{"resnet101", {3, 4, 23, 3}},      Variant{"resnet152", {3, 8, 36, 3}},
};

// What timm knows by name, or, for a model of one's own, by timm_model_kwargs.
struct ResNetConfig {
  TimmConfig timm;
  std::vector<std::int64_t> depths, planes{64, 128, 256, 512};
  NormKind norm = NormKind::batch;
  bool is_bottleneck = true;
  bool max_pool = true;  // behind the stem; small pictures do without
  bool has_kwargs = false;

  // A bottleneck's 1x1, 3x3 and 1x1 kernels end four times as wide; a basic block is two of 3x3.
  std::int64_t out_channels(std::int64_t of) const { return is_bottleneck ? 4 * of : of; }
  std::int64_t width() const { return out_channels(planes.back()); }
};

void read_kwargs(const Json& json, const std::string& model, ResNetConfig& c) {
  ModelSection kwargs(json, model + ": timm_model_kwargs");
  kwargs.read("layers", c.depths);
  kwargs.read("channels", c.planes);
  kwargs.read("max_pool", c.max_pool);
  kwargs.finish();
  require(c.depths.size() == kStages && c.planes.size() == kStages, model,
          "timm_model_kwargs: layers and channels must have four numbers, one a stage");
  for (std::size_t i = 0; i < c.depths.size(); ++i) {
    require_sizes(model, {{"timm_model_kwargs.layers", c.depths[i]}, {"timm_model_kwargs.channels", c.planes[i]}});
  }
}

ResNetConfig read_config(const Json& json, const std::string& model) {
  ModelSection section(json, model + ": vision_cfg");
  ResNetConfig c;
  std::string norm = "batch";
  c.timm = read_timm_config(section, model);
  const Variant& variant = timm_variant(kVariants, c.timm.name, model);
  c.depths.assign(variant.depths.begin(), variant.depths.end());
  c.is_bottleneck = variant.is_bottleneck;
  section.read("norm", norm);
  if (const Json* const own = section.find("timm_model_kwargs"); own != nullptr) {
    read_kwargs(*own, model, c);
    c.has_kwargs = true;
  }
  section.known({"timm_model_kwargs"});
  section.finish();
  require(norm == "batch" || norm == "group", model, fmt::format("norm = \"{}\" must be batch or group", norm));
  c.norm = norm == "group" ? NormKind::group : NormKind::batch;
  for (const std::int64_t planes : c.planes) {
    require(c.norm == NormKind::batch || planes % 32 == 0, model,
            fmt::format("norm = group needs channels that are multiples of 32, got {}", planes));
  }
  require(c.timm.image_size >= 32, model, fmt::format("image_size = {} must be at least 32", c.timm.image_size));
  return c;
}

class ResNet : public ImageTower {
 public:
  ResNet(ParameterArena& arena, ResNetConfig config, const TowerFacts& facts, const std::string& prefix)
      : arena_(arena), config_(std::move(config)) {
    const std::string trunk = prefix + "trunk.";
    stem_ = declare_conv(arena, trunk + "conv1", trunk + norm_name() + "1", {kStem, 3, 7, 7});
    std::int64_t in = kStem;
    for (std::size_t i = 0; i < config_.depths.size(); ++i) {
      for (std::int64_t j = 0; j < config_.depths[i]; ++j) {
        const std::string name = fmt::format("{}layer{}.{}.", trunk, i + 1, j);
        arena.begin_group();
        blocks_.push_back(declare_block(arena, name, in, config_.planes[i], i > 0 && j == 0 ? 2 : 1));
        in = config_.out_channels(config_.planes[i]);
      }
    }
    head_ = TimmHead(arena, prefix, config_.timm, width(), facts);
  }

  std::int64_t image_size() const override { return config_.timm.image_size; }
  std::int64_t width() const override { return config_.width(); }
  std::int64_t patches() const override { return 0; }
  std::int64_t size_step() const override { return 32; }
  bool has_batch_statistics() const override { return config_.norm == NormKind::batch; }
  std::vector<double> drop_rates() const override {
    return rising_rates(drop_path(config_.timm), std::ssize(blocks_), 1);
  }
  std::string training_note() const override { return depth_note(config_.timm); }

  at::Tensor pooled(const at::Tensor& pixels, const std::optional<at::Tensor>& kept, const Pass& pass) const override {
    if (kept) throw internal_error("a ResNet needs all of its patches");
    at::Tensor x = normed(stem_, pixels.permute({0, 2, 3, 1}), {.stride = 2, .padding = 3}, pass, true);
    if (config_.max_pool) {  // [batch, s/2, s/2, 64] -> [batch, s/4, s/4, 64]
      x = at::max_pool2d(x.permute({0, 3, 1, 2}), {3, 3}, {2, 2}, {1, 1}).permute({0, 2, 3, 1});
    }
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const auto through = [this, i, pass](const at::Tensor& in) { return block_forward(i, in, pass); };
      x = pass.recompute ? recomputed(through, x) : through(x);  // with GroupNorm; not asked of BatchNorm
    }
    return x.mean({1, 2});
  }

  at::Tensor project(const at::Tensor& pooled) const override { return head_(arena_, pooled); }

  Cost cost() const override {
    const auto halved = [](std::int64_t side) { return (side + 1) / 2; };  // by a stride of 2 and padding
    std::int64_t side = halved(config_.timm.image_size), macs = side * side * 3 * 49 * kStem, in = kStem;
    if (config_.max_pool) side = halved(side);
    for (std::size_t i = 0; i < config_.depths.size(); ++i) {
      const std::int64_t planes = config_.planes[i], out = config_.out_channels(planes);
      for (std::int64_t j = 0; j < config_.depths[i]; ++j) {
        const std::int64_t before = side * side;
        if (i > 0 && j == 0) side = halved(side);
        const std::int64_t after = side * side;
        macs += config_.is_bottleneck ? before * in * planes + after * (9 * planes * planes + planes * out)
                                      : after * 9 * (in * planes + planes * planes);
        if (after != before || in != out) macs += after * in * out;
        in = out;
      }
    }
    return {.fixed = static_cast<double>(macs) + head_.macs()};
  }

  std::vector<AttentionShape> attention_shapes(std::int64_t, std::int64_t) const override { return {}; }

  Json to_json() const override {
    Json json = clip_hpc::to_json(config_.timm);
    if (config_.norm == NormKind::group) json["norm"] = "group";
    if (config_.has_kwargs) {
      Json& kwargs = json["timm_model_kwargs"] = {{"layers", config_.depths}, {"channels", config_.planes}};
      if (!config_.max_pool) kwargs["max_pool"] = false;
    }
    return json;
  }

 private:
  std::string norm_name() const { return config_.norm == NormKind::batch ? "bn" : "gn"; }

  // `first`: of the norm's weight.
  NormedConv declare_conv(ParameterArena& arena, const std::string& kernel, const std::string& norm,
                          std::vector<std::int64_t> shape, double first = 1) const {
    const std::int64_t out = shape[0], fan_out = out * shape[2] * shape[3];
    const Affine conv = declare_affine(arena, kernel, std::move(shape), kaiming_normal(fan_out), std::nullopt);
    const double eps = config_.norm == NormKind::batch ? kBatchEps : kGroupEps;
    return {conv, declare_channel_norm(arena, norm, out, config_.norm, eps, first)};
  }

  // The last norm begins at 0, the block as the identity.
  ResidualBlock declare_block(ParameterArena& arena, const std::string& name, std::int64_t in, std::int64_t planes,
                              std::int64_t stride) const {
    const std::int64_t out = config_.out_channels(planes);
    const std::string norm = name + norm_name();
    const auto conv = [&](int number, std::vector<std::int64_t> shape, double first = 1) {
      return declare_conv(arena, fmt::format("{}conv{}", name, number), norm + std::to_string(number), std::move(shape),
                          first);
    };
    ResidualBlock block;
    block.stride = stride;
    if (config_.is_bottleneck) {
      block.convs = {conv(1, {planes, in, 1, 1}), conv(2, {planes, planes, 3, 3}), conv(3, {out, planes, 1, 1}, 0)};
    } else {
      block.convs = {conv(1, {planes, in, 3, 3}), conv(2, {planes, planes, 3, 3}, 0)};
    }
    if (stride != 1 || in != out)
      block.downsample = declare_conv(arena, name + "downsample.0", name + "downsample.1", {out, in, 1, 1});
    return block;
  }

  at::Tensor kernel(const NormedConv& layer) const {
    const at::Tensor weight = arena_.parameter(layer.kernel.weight);
    if (config_.norm == NormKind::batch) return weight;
    const at::Tensor flat = weight.flatten(1), centred = flat - flat.mean({1}, /*keepdim=*/true);
    const at::Tensor length = at::linalg_vector_norm(centred, 2, {1}, /*keepdim=*/true);  // no gradient where it is 0
    const at::Tensor deviation = length / std::sqrt(static_cast<double>(flat.size(1)));
    return (centred / (deviation + kKernelEps)).view(weight.sizes());
  }

  at::Tensor normed(const NormedConv& layer, const at::Tensor& x, const ConvShape& shape, const Pass& pass,
                    bool relu = false) const {
    return layer.norm(arena_, conv_channels_last(x, kernel(layer), {}, shape), pass, relu);
  }

  // x [batch, side, side, in] -> [batch, side / stride, side / stride, out]
  at::Tensor block_forward(std::size_t i, const at::Tensor& x, const Pass& pass) const {
    const ResidualBlock& block = blocks_[i];
    const std::vector<NormedConv>& convs = block.convs;
    const ConvShape strided{.stride = block.stride, .padding = 1};
    at::Tensor y;
    if (config_.is_bottleneck) {
      y = normed(convs[1], normed(convs[0], x, {}, pass, true), strided, pass, true);
      y = normed(convs[2], y, {}, pass);
    } else {
      y = normed(convs[1], normed(convs[0], x, strided, pass, true), {.padding = 1}, pass);
    }
    const at::Tensor shortcut = block.downsample ? normed(*block.downsample, x, {.stride = block.stride}, pass) : x;
    return (scaled_branch(pass, static_cast<std::int64_t>(i), y) + shortcut).relu();
  }

  const ParameterArena& arena_;
  ResNetConfig config_;
  NormedConv stem_;
  std::vector<ResidualBlock> blocks_;
  TimmHead head_;
};

bool reads(const Json& json) { return names_timm_trunk(json, "resnet"); }

std::unique_ptr<ImageTower> declare(ParameterArena& arena, const Json& json, const TowerFacts& facts,
                                    const std::string& prefix) {
  return std::make_unique<ResNet>(arena, read_config(json, facts.model), facts, prefix);
}

}  // namespace

extern const ImageTowerKind kResNet{
    "resnet", "ResNet of timm: timm_model_name is resnet50 or another size; norm is batch or group", reads, declare};

}  // namespace clip_hpc
