#include "clip_hpc/model/model_file.hpp"

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "model/model_section.hpp"

namespace clip_hpc {
namespace {

// What open_clip adds to a model in its open_clip_config.json. Sizes and interpolation of the test view are not the
// model's business here: [eval] view says them.
void read_preprocessing(const Json& file, const std::string& name, ModelConfig& model) {
  ModelSection outer(file, name);
  outer.known("model_cfg");
  outer.known("preprocess_cfg");
  outer.finish();
  if (!file.contains("preprocess_cfg")) return;
  ModelSection section(file.at("preprocess_cfg"), name + ": preprocess_cfg");
  section.read("mean", model.norm.mean);
  section.read("std", model.norm.std);
  for (const char* key : {"size", "mode", "interpolation", "resize_mode", "fill_color"}) section.known(key);
  section.finish();
  for (const double deviation : model.norm.std) {
    require(deviation > 0, name, "the values of preprocess_cfg.std must be positive");
  }
}

}  // namespace

ModelConfig parse_model_config(const Json& file, const std::string& name) {
  ModelConfig model;
  model.name = name;
  const bool is_wrapped = file.is_object() && file.contains("model_cfg");
  if (is_wrapped) read_preprocessing(file, name, model);
  const Json& json = is_wrapped ? file.at("model_cfg") : file;
  ModelSection top(json, name);
  top.read("embed_dim", model.embed_dim);
  top.read("quick_gelu", model.quick_gelu);
  top.read("init_logit_scale", model.init_logit_scale);
  if (json.is_object() && json.contains("init_logit_bias") && !json.at("init_logit_bias").is_null()) {
    top.read("init_logit_bias", model.init_logit_bias.emplace());
  }
  top.known("init_logit_bias");
  top.known("vision_cfg");
  top.known("text_cfg");
  top.finish();
  require(json.contains("vision_cfg") && json.contains("text_cfg"), name, "needs vision_cfg and text_cfg");
  require(model.embed_dim > 0, name, "embed_dim must be positive");
  model.vision = json.at("vision_cfg");
  model.text = json.at("text_cfg");
  const ClipModel declared(model);  // the towers check their sections
  model.vision = declared.image().to_json();
  model.text = declared.text().to_json();
  return model;
}

ModelConfig read_model_config(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) {
    throw input_error("model.config: {} does not exist; configs/models/ holds the models that come with clip_hpc",
                      path.native());
  }
  return parse_model_config(read_json_file(path), path.stem().string());
}

Json to_json(const ModelConfig& model) {
  Json json = {{"embed_dim", model.embed_dim}};
  if (model.quick_gelu) json["quick_gelu"] = true;
  json["init_logit_scale"] = model.init_logit_scale;
  if (model.init_logit_bias) json["init_logit_bias"] = *model.init_logit_bias;
  json["vision_cfg"] = model.vision;
  json["text_cfg"] = model.text;
  return {{"model_cfg", json}, {"preprocess_cfg", {{"mean", model.norm.mean}, {"std", model.norm.std}}}};
}

void describe(OptionTable& table, ModelOptions& options) {
  table.add("model.config", options.config, "model as an open_clip JSON file");
  table.add("model.init", options.init,
            "initial weights: `open_clip` as that project draws them, `clip_hpc` a variant that leaves the plateau of "
            "small models sooner",
            one_of({"open_clip", "clip_hpc"}));
}

}  // namespace clip_hpc
