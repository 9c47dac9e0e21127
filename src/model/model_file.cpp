#include "clip_hpc/model/model_file.hpp"

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/data/views/view.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "model/model_section.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kOwnViewKey = "view";  // of preprocess_cfg: a view that open_clip has no words for
constexpr std::int64_t kBrightest = 255;

// The transform of a test image, with open_clip's defaults for what is left out. Empty where nothing is said.
std::string read_view(ModelSection& section, const std::string& where) {
  std::string mode, filter, own;
  std::int64_t fill = 0;
  if (section.find("resize_mode") != nullptr) section.read("resize_mode", mode);
  if (section.find("interpolation") != nullptr) section.read("interpolation", filter);
  if (section.find("fill_color") != nullptr) section.read("fill_color", fill);
  section.read(kOwnViewKey, own);
  section.known({"resize_mode", "interpolation", "fill_color"});
  if (fill < 0 || fill > kBrightest) section.wrong("fill_color", "one value of 0 to 255 for all channels");
  if (!own.empty()) {
    is_test_view()(where + ": " + kOwnViewKey, own);
    return own;
  }
  if (mode.empty() && filter.empty() && section.find("fill_color") == nullptr) return {};
  TestTransform transform;
  try {
    if (!mode.empty()) transform.mode = parse_resize_mode(mode);
    if (!filter.empty() && filter != "random") transform.filter = parse_filter(filter);  // random: in training alone
  } catch (const Error& problem) {
    throw input_error("{}: {}", where, problem.what());
  }
  transform.fill = static_cast<std::uint8_t>(fill);
  return test_view_name(transform);
}

// What open_clip adds to a model in its open_clip_config.json.
void read_preprocessing(const Json& file, const std::string& name, ModelConfig& model) {
  ModelSection outer(file, name);
  outer.known({"model_cfg", "preprocess_cfg"});
  outer.finish();
  if (!file.contains("preprocess_cfg")) return;
  const std::string where = name + ": preprocess_cfg";
  ModelSection section(file.at("preprocess_cfg"), where);
  section.read("mean", model.norm.mean);
  section.read("std", model.norm.std);
  section.read_unused("mode", {"RGB"});
  section.known({"size"});  // the model's own image_size counts, in open_clip too
  model.view = read_view(section, where);
  section.finish();
  for (const double deviation : model.norm.std) {
    require(deviation > 0, name, "the values of preprocess_cfg.std must be positive");
  }
}

Json preprocessing_of(const ModelConfig& model) {
  Json json = {{"mean", model.norm.mean}, {"std", model.norm.std}};
  if (model.view.empty()) return json;
  const std::optional<TestTransform> transform = test_transform_of(model.view);
  if (!transform) {
    json[kOwnViewKey] = model.view;
    return json;
  }
  json["resize_mode"] = name_of(transform->mode);
  json["interpolation"] = name_of(transform->filter);
  json["fill_color"] = transform->fill;
  return json;
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
  if (top.find("init_logit_bias") != nullptr) top.read("init_logit_bias", model.init_logit_bias.emplace());
  top.known({"init_logit_bias", "vision_cfg", "text_cfg"});
  if (top.find("custom_text") != nullptr) top.read("custom_text", model.custom_text);
  top.known({"custom_text"});
  top.read_unused({"nonscalar_logit_scale", "output_dict"}, false);
  top.read_unused("cast_dtype");
  top.finish();
  require(json.contains("vision_cfg") && json.contains("text_cfg"), name, "needs vision_cfg and text_cfg");
  require_sizes(name, {{"embed_dim", model.embed_dim}});
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
  if (model.custom_text) json["custom_text"] = true;
  json["init_logit_scale"] = model.init_logit_scale;
  if (model.init_logit_bias) json["init_logit_bias"] = *model.init_logit_bias;
  json["vision_cfg"] = model.vision;
  json["text_cfg"] = model.text;
  return {{"model_cfg", json}, {"preprocess_cfg", preprocessing_of(model)}};
}

std::string test_view(const ModelConfig& config, const std::string& asked) {
  if (asked != kModelView) return asked;
  return config.view.empty() ? "resize" : config.view;
}

void describe(OptionTable& table, ModelOptions& options) {
  table.add("model.config", options.config, "model as an open_clip JSON file");
  table.add(
      "model.init", options.init,
      "initial weights: `open_clip` as that project draws them, `clip_hpc` a variant that leaves the plateau of "
      "small models sooner; or where they are: a run folder, a checkpoint, a folder or safetensors file of open_clip "
      "or transformers");
  table.add("model.init_image", options.init_image,
            "the image tower's initial weights: as model.init, or a safetensors file of a timm trunk");
  table.add("model.init_text", options.init_text, "the text tower's initial weights: as model.init");
  table.add("model.freeze", options.freeze, "a tower that is not trained: none, image (LiT), text",
            one_of({"none", "image", "text"}));
  table.add(
      "model.unlocked_groups", options.unlocked_groups,
      "how many of the frozen tower's last groups are trained: 1 its projection (without one, its last block), 2 the "
      "block before, too",
      at_least(0));
}

}  // namespace clip_hpc
