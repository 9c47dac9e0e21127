// MLP-Mixer (Tolstikhin et al. 2021) as timm has it and open_clip hangs it into CLIP: names, shapes and arithmetic of
// `visual.trunk.*`. Its token MLPs fix the image size.
#include <array>

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

constexpr double kEps = 1e-6;
constexpr double kBiasDeviation = 1e-6;  // of the MLPs' biases, as big_vision and timm begin

struct Variant {
  const char* name;  // mixer_b32_224: of 32 x 32 patches, for images of 224
  std::int64_t width, blocks, patch;
};
constexpr std::array kVariants{
    Variant{"mixer_s32_224", 512, 8, 32},   Variant{"mixer_s16_224", 512, 8, 16},
    Variant{"mixer_b32_224", 768, 12, 32},  Variant{"mixer_b16_224", 768, 12, 16},
    Variant{"mixer_l32_224", 1024, 24, 32}, Variant{"mixer_l16_224", 1024, 24, 16},
};

// What timm knows by name, or, for a model of one's own, by timm_model_kwargs.
struct MixerConfig {
  TimmConfig timm;
  std::int64_t width = 0, blocks = 0, patch = 0;
  bool has_kwargs = false;

  std::int64_t side() const { return timm.image_size / patch; }
  std::int64_t tokens() const { return side() * side(); }
  std::int64_t token_hidden() const { return width / 2; }  // mlp_ratio (0.5, 4) of the width
  std::int64_t channel_hidden() const { return 4 * width; }
};

MixerConfig read_config(const Json& json, const std::string& model) {
  ModelSection section(json, model + ": vision_cfg");
  MixerConfig c;
  c.timm = read_timm_config(section, model);
  const Variant& variant = timm_variant(kVariants, c.timm.name, model);
  c.width = variant.width;
  c.blocks = variant.blocks;
  c.patch = variant.patch;
  if (const Json* const own = section.find("timm_model_kwargs"); own != nullptr) {
    std::int64_t image_size = 224;
    ModelSection kwargs(*own, model + ": timm_model_kwargs");
    kwargs.read("embed_dim", c.width);
    kwargs.read("num_blocks", c.blocks);
    kwargs.read("patch_size", c.patch);
    kwargs.read_side("img_size", image_size);
    kwargs.finish();
    c.has_kwargs = true;
    require(image_size == c.timm.image_size, model,
            fmt::format("image_size = {} must be timm_model_kwargs.img_size = {}", c.timm.image_size, image_size));
  } else {
    require(c.timm.image_size == 224, model,
            fmt::format("image_size = {}: {} is of 224; another size is timm_model_kwargs {{\"img_size\": {}}}",
                        c.timm.image_size, c.timm.name, c.timm.image_size));
  }
  section.known({"timm_model_kwargs"});
  section.finish();
  require_sizes(model, {{"timm_model_kwargs.embed_dim", c.width},
                        {"timm_model_kwargs.num_blocks", c.blocks},
                        {"timm_model_kwargs.patch_size", c.patch}});
  require(c.timm.image_size % c.patch == 0, model,
          fmt::format("image_size = {} must be a multiple of the patch of {}", c.timm.image_size, c.patch));
  require(c.width % 2 == 0, model, fmt::format("timm_model_kwargs.embed_dim = {} must be even", c.width));
  return c;
}

struct MixerBlock {
  LayerNorm norm1, norm2;
  Mlp tokens, channels;
};

Affine declare_linear(ParameterArena& arena, const std::string& name, std::int64_t out, std::int64_t in) {
  return declare_affine(arena, name, {out, in}, xavier_uniform(in, out), normal(kBiasDeviation));
}

class Mixer : public ImageTower {
 public:
  Mixer(ParameterArena& arena, MixerConfig config, const TowerFacts& facts, const std::string& prefix)
      : arena_(arena), config_(std::move(config)) {
    const MixerConfig& c = config_;
    const std::string trunk = prefix + "trunk.";
    stem_ =
        declare_affine(arena, trunk + "stem.proj", {c.width, 3, c.patch, c.patch}, lecun_normal(3 * c.patch * c.patch));
    for (std::int64_t i = 0; i < c.blocks; ++i) {
      const std::string name = fmt::format("{}blocks.{}.", trunk, i);
      const auto mlp = [&](const std::string& of, std::int64_t width, std::int64_t hidden) {
        const Affine first = declare_linear(arena, name + of + ".fc1", hidden, width);
        return Mlp{first, declare_linear(arena, name + of + ".fc2", width, hidden)};
      };
      arena.begin_group();
      MixerBlock block{};
      block.norm1 = declare_layer_norm(arena, name + "norm1", c.width, kEps);
      block.tokens = mlp("mlp_tokens", c.tokens(), c.token_hidden());
      block.norm2 = declare_layer_norm(arena, name + "norm2", c.width, kEps);
      block.channels = mlp("mlp_channels", c.width, c.channel_hidden());
      blocks_.push_back(block);
    }
    norm_ = declare_layer_norm(arena, trunk + "norm", c.width, kEps);
    head_ = TimmHead(arena, prefix, c.timm, c.width, facts);
  }

  std::int64_t image_size() const override { return config_.timm.image_size; }
  std::int64_t width() const override { return config_.width; }
  std::int64_t patches() const override { return 0; }  // its token MLPs need all of them
  std::vector<double> drop_rates() const override {
    const double rate = drop_path(config_.timm);  // timm's Mixer has one for all of its blocks
    return std::vector<double>(rate == 0 ? 0 : static_cast<std::size_t>(2 * config_.blocks), rate);
  }
  std::string training_note() const override { return depth_note(config_.timm); }

  at::Tensor pooled(const at::Tensor& pixels, const std::optional<at::Tensor>& kept, const Pass& pass) const override {
    if (kept) throw internal_error("a Mixer needs all of its patches");
    at::Tensor x = conv_channels_last(pixels.permute({0, 2, 3, 1}), arena_.parameter(stem_.weight),
                                      arena_.parameter(*stem_.bias), {.stride = config_.patch});
    x = x.flatten(1, 2);  // [batch, tokens, width]
    for (std::int64_t i = 0; i < config_.blocks; ++i) {
      const auto through = [this, i, pass](const at::Tensor& in) { return block_forward(i, in, pass); };
      x = pass.recompute ? recomputed(through, x) : through(x);
    }
    return norm_(arena_, x).mean(1);
  }

  at::Tensor project(const at::Tensor& pooled) const override { return head_(arena_, pooled); }

  Cost cost() const override {
    const MixerConfig& c = config_;
    const std::int64_t of_block =
        2 * c.width * c.tokens() * c.token_hidden() + 2 * c.tokens() * c.width * c.channel_hidden();
    const std::int64_t stem = c.tokens() * 3 * c.patch * c.patch * c.width;
    return {.fixed = static_cast<double>(stem + c.blocks * of_block) + head_.macs()};
  }

  std::vector<AttentionShape> attention_shapes(std::int64_t, std::int64_t) const override { return {}; }

  Json to_json() const override {
    Json json = clip_hpc::to_json(config_.timm);
    if (config_.has_kwargs) {
      json["timm_model_kwargs"] = {{"embed_dim", config_.width},
                                   {"num_blocks", config_.blocks},
                                   {"patch_size", config_.patch},
                                   {"img_size", config_.timm.image_size}};
    }
    return json;
  }

 private:
  // x [batch, tokens, width] -> the same shape
  at::Tensor block_forward(std::int64_t i, const at::Tensor& x, const Pass& pass) const {
    const MixerBlock& block = blocks_[static_cast<std::size_t>(i)];
    const at::Tensor across = block.norm1(arena_, x).transpose(1, 2).contiguous();  // [batch, width, tokens]
    const at::Tensor of_tokens = block.tokens(arena_, across, Gelu::exact).transpose(1, 2);
    const at::Tensor mixed = x + scaled_branch(pass, 2 * i, of_tokens);
    const at::Tensor of_channels = block.channels(arena_, block.norm2(arena_, mixed), Gelu::exact);
    return mixed + scaled_branch(pass, 2 * i + 1, of_channels);
  }

  const ParameterArena& arena_;
  MixerConfig config_;
  Affine stem_;
  std::vector<MixerBlock> blocks_;
  LayerNorm norm_;
  TimmHead head_;
};

bool reads(const Json& json) { return names_timm_trunk(json, "mixer_"); }

std::unique_ptr<ImageTower> declare(ParameterArena& arena, const Json& json, const TowerFacts& facts,
                                    const std::string& prefix) {
  return std::make_unique<Mixer>(arena, read_config(json, facts.model), facts, prefix);
}

}  // namespace

extern const ImageTowerKind kMixer{"mixer", "MLP-Mixer of timm: timm_model_name is mixer_b32_224 or another size",
                                   reads, declare};

}  // namespace clip_hpc
