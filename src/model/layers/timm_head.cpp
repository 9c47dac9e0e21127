#include "clip_hpc/model/layers/timm_head.hpp"

#include "model/model_section.hpp"

namespace clip_hpc {

TimmConfig read_timm_config(ModelSection& section, const std::string& model, bool is_vit) {
  TimmConfig c;
  double drop = 0;
  section.read("timm_model_name", c.name);
  section.read_side("image_size", c.image_size);
  if (section.is_null("timm_pool")) {
    c.pool = "";  // the network's own
  } else if (section.find("timm_pool") != nullptr) {
    section.read("timm_pool", c.pool);
  }
  if (section.is_null("timm_proj")) {
    c.projection = "";
  } else {
    section.read("timm_proj", c.projection);
  }
  section.read("timm_proj_bias", c.projection_bias);
  section.read("timm_drop", drop);
  if (section.find("timm_drop_path") != nullptr) section.read("timm_drop_path", c.drop_path.emplace());
  section.read("patch_dropout", c.patch_dropout);
  section.known({"timm_pool", "timm_proj", "timm_drop_path",
                 "timm_model_pretrained"});  // weights of ImageNet: this build has none to fetch
  // The name says them, in open_clip too.
  section.known({"layers", "width", "head_width", "mlp_ratio", "patch_size"});
  require_sizes(model, {{"vision_cfg.image_size", c.image_size}});
  require(is_vit || c.pool.empty() || c.pool == "avg", model,
          fmt::format("timm_pool = {} is not supported: use avg, or an empty text", c.pool));
  require(
      (is_vit && c.projection.empty()) || c.projection == "linear" || c.projection == "mlp" || c.projection == "none",
      model, fmt::format("timm_proj = \"{}\" is not supported: use linear, mlp or none", c.projection));
  require(!c.pool.empty() || c.projection == "linear" || c.projection == "mlp", model,
          "timm_pool is empty, and without timm_proj = linear or mlp open_clip would not pool at all: name the pool");
  require(drop == 0, model, "timm_drop must be 0: this build has no dropout");
  require(c.patch_dropout == 0 || (is_vit && c.patch_dropout > 0 && c.patch_dropout < 1), model,
          is_vit ? "patch_dropout must be in [0, 1)"
                 : fmt::format("patch_dropout must be 0: {} needs all of its patches", c.name));
  require(drop_path(c) >= 0 && drop_path(c) < 1, model, "timm_drop_path must be in [0, 1)");
  return c;
}

Json to_json(const TimmConfig& c) {
  Json json = {{"timm_model_name", c.name},
               {"timm_model_pretrained", false},
               {"timm_pool", c.pool},
               {"timm_proj", c.projection.empty() ? Json() : Json(c.projection)},
               {"timm_proj_bias", c.projection_bias},
               {"timm_drop", 0.0},
               {"timm_drop_path", c.drop_path ? Json(*c.drop_path) : Json()},
               {"image_size", c.image_size}};
  if (c.patch_dropout > 0) json["patch_dropout"] = c.patch_dropout;
  return json;
}

bool names_timm_trunk(const Json& vision_cfg, std::string_view beginning) {
  const auto name = vision_cfg.find("timm_model_name");
  return name != vision_cfg.end() && name->is_string() && name->get<std::string>().starts_with(beginning);
}

double drop_path(const TimmConfig& config) { return config.drop_path.value_or(0); }

std::string depth_note(const TimmConfig& config, double timms_own) {
  if (drop_path(config) > 0) {
    return fmt::format("stochastic depth up to {}, as the model's timm_drop_path says; 0 turns it off",
                       *config.drop_path);
  }
  if (config.drop_path || timms_own == 0) return {};
  return fmt::format("no stochastic depth, since the model states no timm_drop_path; open_clip would train it with {}",
                     timms_own);
}

TimmHead::TimmHead(ParameterArena& arena, const std::string& prefix, const TimmConfig& config, std::int64_t width,
                   const TowerFacts& facts) {
  const std::int64_t embed = facts.embed_dim;
  arena.begin_group();
  if (config.projection == "linear") {
    layers_ = {declare_torch_linear(arena, prefix + "head.proj", embed, width, config.projection_bias)};
    macs_ = static_cast<double>(width * embed);
  } else if (config.projection == "mlp") {
    layers_ = {declare_torch_linear(arena, prefix + "head.mlp.fc1", 2 * embed, width),
               declare_torch_linear(arena, prefix + "head.mlp.fc2", embed, 2 * embed, config.projection_bias)};
    macs_ = static_cast<double>(2 * embed * (width + embed));
  } else if (config.projection.empty()) {
    layers_ = {declare_affine(arena, prefix + "trunk.head", {embed, width}, truncated_normal(0.02))};
    macs_ = static_cast<double>(width * embed);
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
