#include "clip_hpc/model/layers/timm_head.hpp"

#include "model/model_section.hpp"

namespace clip_hpc {

TimmConfig read_timm_config(ModelSection& section, const std::string& model, double drop_path) {
  TimmConfig c;
  c.drop_path = drop_path;
  double drop = 0, patch_dropout = 0;
  section.read("timm_model_name", c.name);
  section.read_side("image_size", c.image_size);
  section.read("timm_pool", c.pool);
  section.read("timm_proj", c.projection);
  section.read("timm_proj_bias", c.projection_bias);
  section.read("timm_drop", drop);
  if (section.find("timm_drop_path") != nullptr) section.read("timm_drop_path", c.drop_path);  // null: timm's own
  section.read("patch_dropout", patch_dropout);
  section.known({"timm_drop_path", "timm_model_pretrained"});  // weights of ImageNet: this build has none to fetch
  // The name says them, in open_clip too.
  section.known({"layers", "width", "head_width", "mlp_ratio", "patch_size"});
  require_sizes(model, {{"vision_cfg.image_size", c.image_size}});
  require(c.pool.empty() || c.pool == "avg", model,
          fmt::format("timm_pool = {} is not supported: use avg, or an empty text", c.pool));
  require(c.projection == "linear" || c.projection == "mlp" || c.projection == "none", model,
          fmt::format("timm_proj = \"{}\" is not supported: use linear, mlp or none", c.projection));
  require(drop == 0, model, "timm_drop must be 0: this build has no dropout");
  require(patch_dropout == 0, model, fmt::format("patch_dropout must be 0: {} needs all of its patches", c.name));
  require(c.drop_path >= 0 && c.drop_path < 1, model, "timm_drop_path must be in [0, 1)");
  return c;
}

Json to_json(const TimmConfig& c) {
  return {{"timm_model_name", c.name},   {"timm_model_pretrained", false},
          {"timm_pool", c.pool},         {"timm_proj", c.projection},
          {"timm_proj_bias", c.projection_bias}, {"timm_drop", 0.0},
          {"timm_drop_path", c.drop_path}, {"image_size", c.image_size}};
}

void check_drop_path(const TimmConfig& config, const std::string& model) {
  if (config.drop_path == 0) return;
  throw input_error(
      "model {}: training with timm_drop_path = {} needs stochastic depth, which this build has not: set it to 0", model,
      config.drop_path);
}

TimmHead::TimmHead(ParameterArena& arena, const std::string& prefix, const TimmConfig& config, std::int64_t width,
                   const TowerFacts& facts) {
  const std::int64_t embed = facts.embed_dim;
  if (config.projection == "linear") {
    layers_ = {declare_torch_linear(arena, prefix + "head.proj", embed, width, config.projection_bias)};
    macs_ = static_cast<double>(width * embed);
  } else if (config.projection == "mlp") {
    layers_ = {declare_torch_linear(arena, prefix + "head.mlp.fc1", 2 * embed, width),
               declare_torch_linear(arena, prefix + "head.mlp.fc2", embed, 2 * embed, config.projection_bias)};
    macs_ = static_cast<double>(2 * embed * (width + embed));
  } else {
    require(embed == width, facts.model,
            fmt::format("timm_proj = none needs embed_dim = {}, the width of the tower", width));
  }
}

at::Tensor TimmHead::operator()(const ParameterArena& arena, const at::Tensor& pooled) const {
  if (layers_.empty()) return pooled;
  const at::Tensor first = matrix_product(arena, layers_[0], pooled);
  return layers_.size() == 1 ? first : matrix_product(arena, layers_[1], at::gelu(first));
}

}  // namespace clip_hpc
