#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/checkpoint/formats/hugging_face.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/model/towers/timm_vit.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kClipVocabulary = 49408, kClipEnd = 49407;
// Of configurations before July 2023: it meant the largest id.
constexpr std::int64_t kOldEnd = 2;

// A section of config.json, with transformers' own defaults for what is left out.
class Section {
 public:
  Section(const Json& config, const char* key, const std::string& name)
      : json_(config.contains(key) ? config.at(key) : Json::object()), where_(fmt::format("{}: {}", name, key)) {
    if (!json_.is_object()) throw input_error("{} is no JSON object", where_);
  }

  std::int64_t whole(const char* key, std::int64_t otherwise) const {
    if (!has(key)) return otherwise;
    const Json& value = json_.at(key);
    if (value.is_array() && value.size() == 2 && value[0] == value[1] && value[0].is_number_integer()) return value[0];
    if (!value.is_number_integer()) wrong(key, "a whole number");
    return value;
  }
  double number(const char* key, double otherwise) const {
    if (!has(key)) return otherwise;
    if (!json_.at(key).is_number()) wrong(key, "a number");
    return json_.at(key);
  }
  std::string text(const char* key, const char* otherwise) const {
    if (!has(key)) return otherwise;
    if (!json_.at(key).is_string()) wrong(key, "a text");
    return json_.at(key);
  }
  bool has(const char* key) const { return json_.contains(key) && !json_.at(key).is_null(); }
  [[noreturn]] void wrong(const char* key, const std::string& expected) const {
    throw input_error("{}.{} = {}: {} is expected", where_, key, json_.at(key).dump(), expected);
  }

 private:
  Json json_;
  std::string where_;
};

struct Tower {  // the keys that both kinds and both towers have
  std::int64_t width, mlp_width, layers, heads;
  std::string activation;
  double eps;
};

Tower tower_of(const Section& section, std::int64_t width, std::int64_t mlp_width, std::int64_t heads,
               const char* activation, double eps) {
  Tower tower{section.whole("hidden_size", width),    section.whole("intermediate_size", mlp_width),
              section.whole("num_hidden_layers", 12), section.whole("num_attention_heads", heads),
              section.text("hidden_act", activation), section.number("layer_norm_eps", eps)};
  if (tower.width < 1 || tower.heads < 1 || tower.width % tower.heads != 0) {
    section.wrong("num_attention_heads", fmt::format("a divisor of hidden_size = {}", tower.width));
  }
  constexpr std::string_view kKnown[] = {"gelu", "quick_gelu", "gelu_pytorch_tanh", "gelu_new"};
  if (std::ranges::find(kKnown, tower.activation) == std::end(kKnown)) {
    section.wrong("hidden_act", fmt::format("one of {}", fmt::join(kKnown, ", ")));
  }
  if (tower.activation == "gelu_new") tower.activation = "gelu_pytorch_tanh";
  return tower;
}

double mlp_ratio(const Tower& tower) {  // half a channel more: open_clip rounds down
  const auto width = static_cast<double>(tower.width), mlp = static_cast<double>(tower.mlp_width);
  return tower.mlp_width % tower.width == 0 ? mlp / width : (mlp + 0.5) / width;
}

void add_style(const Tower& tower, Json& section) {
  if (tower.eps != 1e-5) section["norm_kwargs"] = {{"eps", tower.eps}};
  if (tower.activation == "gelu_pytorch_tanh") section["act_kwargs"] = {{"approximate", "tanh"}};
}

Json clip_model(const Json& config, const std::string& name) {
  const Section image_section(config, "vision_config", name), text_section(config, "text_config", name);
  const Tower image = tower_of(image_section, 768, 3072, 12, "quick_gelu", 1e-5);
  const Tower text = tower_of(text_section, 512, 2048, 8, "quick_gelu", 1e-5);
  const bool is_quick = image.activation == "quick_gelu";
  if (is_quick != (text.activation == "quick_gelu")) {
    throw input_error("{}: hidden_act is {} in one tower and {} in the other: open_clip's quick_gelu is of both", name,
                      image.activation, text.activation);
  }
  const Section top(Json{{"top", config}}, "top", name);
  Json vision = {{"image_size", image_section.whole("image_size", 224)},
                 {"patch_size", image_section.whole("patch_size", 32)},
                 {"width", image.width},
                 {"layers", image.layers},
                 {"head_width", image.width / image.heads},
                 {"mlp_ratio", mlp_ratio(image)}};
  const std::int64_t vocabulary = text_section.whole("vocab_size", kClipVocabulary);
  const std::int64_t end = text_section.whole("eos_token_id", kClipEnd);
  const bool is_largest = end == kOldEnd || end == vocabulary - 1;
  Json words = {{"context_length", text_section.whole("max_position_embeddings", 77)},
                {"vocab_size", vocabulary},
                {"width", text.width},
                {"heads", text.heads},
                {"layers", text.layers},
                {"mlp_ratio", mlp_ratio(text)},
                {"pool_type", is_largest ? "argmax" : "eos"}};
  if (!is_largest) words["eos_id"] = end;
  add_style(image, vision);
  add_style(text, words);
  Json model = {{"embed_dim", top.whole("projection_dim", 512)}, {"vision_cfg", vision}, {"text_cfg", words}};
  if (is_quick) model["quick_gelu"] = true;
  return model;
}

Json siglip_model(const Json& config, const std::string& name) {
  const Section image_section(config, "vision_config", name), text_section(config, "text_config", name);
  const Tower image = tower_of(image_section, 768, 3072, 12, "gelu_pytorch_tanh", 1e-6);
  const Tower text = tower_of(text_section, 768, 3072, 12, "gelu_pytorch_tanh", 1e-6);
  if (image.eps != 1e-6) image_section.wrong("layer_norm_eps", "1e-06");
  if (image.activation == "quick_gelu" || text.activation == "quick_gelu") {
    throw input_error("{}: hidden_act = quick_gelu is not SigLIP's", name);
  }
  const std::int64_t size = image_section.whole("image_size", 224);
  const std::int64_t embed = text_section.whole("projection_size", text.width);
  Json vision = {{"timm_model_name", "vit_base_patch16_siglip_224"},
                 {"timm_pool", "map"},
                 {"timm_proj", "none"},
                 {"image_size", size},
                 {"timm_model_kwargs",
                  {{"img_size", size},
                   {"patch_size", image_section.whole("patch_size", 16)},
                   {"embed_dim", image.width},
                   {"depth", image.layers},
                   {"num_heads", image.heads},
                   {"mlp_ratio", mlp_ratio(image)},
                   {"act_layer", image.activation == "gelu" ? "gelu" : "gelu_tanh"}}}};
  // timm's own name, where it has one, is what open_clip knows.
  if (const std::string own = timm_siglip_name(vision.at("timm_model_kwargs")); !own.empty()) {
    vision["timm_model_name"] = own;
    vision.erase("timm_model_kwargs");
  }
  Json words = {{"context_length", text_section.whole("max_position_embeddings", 64)},
                {"vocab_size", text_section.whole("vocab_size", 32000)},
                {"width", text.width},
                {"heads", text.heads},
                {"layers", text.layers},
                {"mlp_ratio", mlp_ratio(text)},
                {"no_causal_mask", true},
                {"pool_type", "last"},
                {"proj_bias", true},
                {"tokenizer_kwargs", {{"clean", "canonicalize"}}}};
  add_style(text, words);
  return {{"embed_dim", embed},
          {"custom_text", true},
          {"init_logit_bias", -10.0},
          {"vision_cfg", vision},
          {"text_cfg", words}};
}

// The edge that images are resized to: OpenAI's own files say "size": 224. Null where nothing is said.
Json edge_of(const Json& preprocessor) {
  const Json size = preprocessor.value("size", Json());
  return size.is_object() ? size.value("shortest_edge", Json()) : size;
}

// Steps that have no words in open_clip: the view goes on without them.
void tell_what_is_not_followed(const Json& preprocessor, bool crops, const std::string& name) {
  const auto off = [&](const char* key) { return preprocessor.value(key, Json(true)) == false; };
  std::vector<std::string> not_followed;
  for (const char* key : {"do_resize", "do_rescale", "do_normalize"}) {
    if (off(key)) not_followed.push_back(fmt::format("{} = false", key));
  }
  if (crops && off("do_center_crop")) not_followed.emplace_back("do_center_crop = false");
  if (crops && preprocessor.contains("crop_size")) {
    const Json& crop = preprocessor.at("crop_size");
    const Json side = crop.is_object() ? crop.value("height", Json()) : crop, edge = edge_of(preprocessor);
    if (side.is_number() && edge.is_number() && side != edge) {
      not_followed.push_back(fmt::format("shortest_edge = {} with a crop of {}", edge.dump(), side.dump()));
    }
  }
  if (not_followed.empty()) return;
  log_info("warning: {}: its preprocessor's {} is not followed: images are resized to the model's size and normalised",
           name, fmt::join(not_followed, ", "));
}

// preprocessor_config.json in the words of open_clip's preprocess_cfg. Pillow's numbers of filters.
Json preprocessing(const Json& preprocessor, const std::string& name, bool is_siglip) {
  const char* const mode = is_siglip ? "squash" : "shortest";
  Json json = {{"resize_mode", mode}, {"interpolation", "bicubic"}};
  if (is_siglip) json["mean"] = json["std"] = {0.5, 0.5, 0.5};
  if (!preprocessor.is_object()) return json;
  const auto given = [&](const char* key) { return preprocessor.contains(key) && !preprocessor.at(key).is_null(); };
  if (given("image_mean")) json["mean"] = preprocessor.at("image_mean");
  if (given("image_std")) json["std"] = preprocessor.at("image_std");
  if (given("resample")) {
    const Json& filter = preprocessor.at("resample");
    if (filter != 2 && filter != 3) {
      throw input_error("{}: resample = {} is not supported: 2 (bilinear) and 3 (bicubic) are", name, filter.dump());
    }
    json["interpolation"] = filter == 2 ? "bilinear" : "bicubic";
  }
  if (given("size") && preprocessor.at("size").is_object()) {
    json["resize_mode"] = preprocessor.at("size").contains("shortest_edge") ? "shortest" : "squash";
  }
  tell_what_is_not_followed(preprocessor, json.at("resize_mode") == "shortest", name);
  return json;
}

void refuse(const ModelConfig& model, const std::string& why) {
  throw input_error("transformers has no model like {}: {}: export it --to open_clip", model.name, why);
}

const char* activation_of(const ModelConfig& model, const Json& section) {
  if (model.quick_gelu) return "quick_gelu";
  return section.contains("act_kwargs") ? "gelu_pytorch_tanh" : "gelu";
}

double eps_of(const Json& section) {
  return section.contains("norm_kwargs") ? section.at("norm_kwargs").at("eps").get<double>() : 1e-5;
}

std::int64_t mlp_width(const Json& section, const char* width) {
  return static_cast<std::int64_t>(section.at("mlp_ratio").get<double>() * section.at(width).get<double>());
}

Json text_section(const ModelConfig& model) {
  const Json& t = model.text;
  if (t.contains("ls_init_value")) refuse(model, "its text tower has LayerScale");
  return {{"hidden_size", t.at("width")},
          {"intermediate_size", mlp_width(t, "width")},
          {"num_hidden_layers", t.at("layers")},
          {"num_attention_heads", t.at("heads")},
          {"max_position_embeddings", t.at("context_length")},
          {"vocab_size", t.at("vocab_size")},
          {"hidden_act", activation_of(model, t)},
          {"layer_norm_eps", eps_of(t)}};
}

Json clip_json(const ModelConfig& model) {
  const Json &v = model.vision, &t = model.text;
  if (v.at("pool_type") != "tok") refuse(model, "its image tower takes the mean of the patches");
  if (v.at("no_ln_pre").get<bool>()) refuse(model, "its image tower has no norm before the blocks");
  if (v.contains("ls_init_value")) refuse(model, "its image tower has LayerScale");
  if (v.contains("conv_stem")) refuse(model, "its image tower has a convolutional stem");
  if (v.contains("pos_embed_type")) refuse(model, "its position embeddings are not trained");
  if (model.custom_text) refuse(model, "it has custom_text");
  if (t.at("no_causal_mask").get<bool>()) refuse(model, "its text tower looks both ways");
  const std::string pool = t.at("pool_type");
  if (pool != "argmax" && pool != "eos") refuse(model, fmt::format("its text tower takes the {} position", pool));
  if (t.contains("proj_bias") || t.contains("proj_type")) refuse(model, "its text projection is another");
  if (model.init_logit_bias) refuse(model, "its logits have a bias");
  const std::int64_t width = v.at("width"), end = pool == "argmax" ? t.at("vocab_size").get<std::int64_t>() - 1
                                                                   : t.at("eos_id").get<std::int64_t>();
  if (end == kOldEnd) refuse(model, "its end token is 2, which there means the largest id");
  Json text = text_section(model);
  text["model_type"] = "clip_text_model";
  text["projection_dim"] = model.embed_dim;
  text["eos_token_id"] = end;
  text["bos_token_id"] = pool == "argmax" ? Json(end - 1) : Json(0);
  text["pad_token_id"] = end;
  return {{"model_type", "clip"},
          {"architectures", {"CLIPModel"}},
          {"projection_dim", model.embed_dim},
          {"logit_scale_init_value", model.init_logit_scale},
          {"text_config", text},
          {"vision_config",
           {{"model_type", "clip_vision_model"},
            {"projection_dim", model.embed_dim},
            {"hidden_size", width},
            {"intermediate_size", mlp_width(v, "width")},
            {"num_hidden_layers", v.at("layers")},
            {"num_attention_heads", width / v.at("head_width").get<std::int64_t>()},
            {"image_size", v.at("image_size")},
            {"patch_size", v.at("patch_size")},
            {"hidden_act", activation_of(model, v)},
            {"layer_norm_eps", eps_of(v)}}}};
}

Json siglip_json(const ModelConfig& model) {
  const Json& t = model.text;
  const ClipModel declared(model);
  const Json v = declared.image().to_json();
  const std::string name = v.at("timm_model_name");
  if (name.find("_siglip_") == std::string::npos || v.at("timm_proj") != "none") {
    refuse(model, fmt::format("its image tower is timm's {}, or has a projection", name));
  }
  if (!t.at("no_causal_mask").get<bool>() || t.at("pool_type") != "last" || !t.contains("proj_bias")) {
    refuse(model, "its text tower is not SigLIP's");
  }
  if (!model.custom_text || !model.init_logit_bias) refuse(model, "it has no custom_text, or no bias of the logits");
  const AttentionShape shape = declared.image().attention_shapes(1, declared.image().patches()).front();
  const auto specs = declared.arena().specs();
  const auto extent = [&](const std::string& of, std::size_t axis) {
    return std::ranges::find(specs, "visual.trunk." + of, &ParameterSpec::name)->shape[axis];
  };
  const std::int64_t layers = std::ranges::count_if(specs, [](const ParameterSpec& one) {
    return one.name.starts_with("visual.trunk.blocks.") && one.name.ends_with(".norm1.weight");
  });
  Json text = text_section(model);
  text["model_type"] = "siglip_text_model";
  text["projection_size"] = model.embed_dim;
  return {{"model_type", "siglip"},
          {"architectures", {"SiglipModel"}},
          {"text_config", text},
          {"vision_config",
           {{"model_type", "siglip_vision_model"},
            {"hidden_size", declared.image().width()},
            {"intermediate_size", extent("blocks.0.mlp.fc1.weight", 0)},
            {"num_hidden_layers", layers},
            {"num_attention_heads", shape.heads},
            {"image_size", declared.image().image_size()},
            {"patch_size", extent("patch_embed.proj.weight", 2)},
            {"hidden_act", timm_vit_activation(v) == Gelu::tanh ? "gelu_pytorch_tanh" : "gelu"},
            {"layer_norm_eps", 1e-6}}}};
}

}  // namespace

Json open_clip_json(const Json& config, const Json& preprocessor, const std::string& name) {
  const Json type = config.is_object() ? config.value("model_type", Json()) : Json();
  if (type != "clip" && type != "siglip") {
    throw input_error("{}: model_type = {} is not supported: clip and siglip are", name, type.dump());
  }
  const bool is_siglip = type == "siglip";
  return {{"model_cfg", is_siglip ? siglip_model(config, name) : clip_model(config, name)},
          {"preprocess_cfg", preprocessing(preprocessor, name, is_siglip)}};
}

Json hugging_face_json(const ModelConfig& model) {
  if (model.vision.contains("timm_model_name")) return siglip_json(model);
  if (!model.vision.contains("layers") || model.vision.at("layers").is_array()) {
    refuse(model, "its image tower is a ResNet");
  }
  return clip_json(model);
}

}  // namespace clip_hpc
