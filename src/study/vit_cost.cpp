#include "clip_hpc/study/vit_cost.hpp"

#include <algorithm>
#include <set>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/config/option_table.hpp"

namespace clip_hpc {
inline namespace study_models {
namespace {

// Reads the known keys of one JSON object and complains about the rest.
class Section {
 public:
  Section(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) throw input_error("{}: expected a JSON object", where_);
  }
  template <class T>
  void read(const char* key, T& field) {
    known_.push_back(key);
    if (!json_.contains(key)) return;
    try {
      field = json_.at(key).get<T>();
    } catch (const Json::exception&) {
      throw input_error("{}: {} has the wrong type: {}", where_, key, json_.at(key).dump());
    }
  }
  void known(const char* key) { known_.emplace_back(key); }
  void finish() const {
    for (const auto& [key, value] : json_.items()) {
      if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
        throw input_error("{}: key \"{}\" is not supported by this build (nearest known: {})", where_, key,
                          nearest_word(key, known_));
      }
    }
  }

 private:
  const Json& json_;
  std::string where_;
  std::vector<std::string> known_;
};

void require(bool fine, const std::string& where, const std::string& what) {
  if (!fine) throw input_error("model {}: {}", where, what);
}

// What open_clip adds to a model in its open_clip_config.json. Sizes and interpolation of the test view are not the
// model's business here: [eval] view says them.
void read_preprocessing(const Json& file, const std::string& name, ModelConfig& model) {
  Section outer(file, name);
  outer.known("model_cfg");
  outer.known("preprocess_cfg");
  outer.finish();
  if (!file.contains("preprocess_cfg")) return;
  Section section(file.at("preprocess_cfg"), name + ": preprocess_cfg");
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
  Section top(json, name);
  top.read("embed_dim", model.embed_dim);
  top.read("quick_gelu", model.quick_gelu);
  top.read("init_logit_scale", model.init_logit_scale);
  top.known("vision_cfg");
  top.known("text_cfg");
  top.finish();
  require(json.contains("vision_cfg") && json.contains("text_cfg"), name, "needs vision_cfg and text_cfg");

  VisionConfig& v = model.vision;
  Section vision(json.at("vision_cfg"), name + ": vision_cfg");
  vision.read("image_size", v.image_size);
  vision.read("patch_size", v.patch_size);
  vision.read("width", v.width);
  vision.read("layers", v.layers);
  vision.read("head_width", v.head_width);
  vision.read("mlp_ratio", v.mlp_ratio);
  vision.read("pool_type", v.pool_type);
  vision.read("no_ln_pre", v.no_ln_pre);
  vision.finish();

  TextConfig& t = model.text;
  Section text(json.at("text_cfg"), name + ": text_cfg");
  text.read("context_length", t.context_length);
  text.read("vocab_size", t.vocab_size);
  text.read("width", t.width);
  text.read("heads", t.heads);
  text.read("layers", t.layers);
  text.read("mlp_ratio", t.mlp_ratio);
  text.read("no_causal_mask", t.no_causal_mask);
  text.read("pool_type", t.pool_type);
  text.read("eos_id", t.eos_id);
  // Which tokenizer open_clip takes: here the run's tokenizer.model says that.
  for (const char* key : {"hf_tokenizer_name", "tokenizer_kwargs"}) text.known(key);
  text.finish();

  require(model.embed_dim > 0 && v.width > 0 && v.layers > 0 && t.width > 0 && t.layers > 0, name,
          "widths and layers must be positive");
  require(v.patch_size > 0 && v.image_size % v.patch_size == 0, name, "image_size must be a multiple of patch_size");
  require(v.head_width > 0 && v.width % v.head_width == 0, name, "vision width must be a multiple of head_width");
  require(t.heads > 0 && t.width % t.heads == 0, name, "text width must be a multiple of heads");
  require(t.context_length > 1 && t.vocab_size > 2, name, "context_length and vocab_size are too small");
  require(v.pool_type == "tok" || v.pool_type == "avg", name, "vision pool_type must be tok or avg");
  require(t.pool_type == "argmax" || t.pool_type == "last" || t.pool_type == "eos", name,
          "text pool_type must be argmax, last or eos");
  return model;
}

ModelConfig read_model_config(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) {
    throw input_error("model.config: {} does not exist; configs/models/ holds the models that come with clip_hpc",
                      path.native());
  }
  return parse_model_config(read_json_file(path), path.stem().string());
}

double forward_macs(const ModelConfig& config, std::int64_t kept, std::int64_t text_tokens) {
  const auto block = [](double n, double width, double mlp) {
    return n * (4 * width * width + 2 * width * mlp) + 2 * n * n * width;
  };
  const VisionConfig& v = config.vision;
  const TextConfig& t = config.text;
  const auto w = static_cast<double>(v.width);
  const auto tw = static_cast<double>(t.width);
  const auto n = static_cast<double>(kept);
  const auto patch = static_cast<double>(v.patch_size);
  const auto embed = static_cast<double>(config.embed_dim);
  const double image = n * 3 * patch * patch * w +
                       static_cast<double>(v.layers) * block(n + 1, w, static_cast<double>(v.mlp_width())) + w * embed;
  const double text =
      static_cast<double>(t.layers) * block(static_cast<double>(text_tokens), tw, static_cast<double>(t.mlp_width())) +
      tw * embed;
  return image + text;
}

std::int64_t parameter_count(const ModelConfig& config) {
  // Two norms, attention with biases, two matrices of the MLP with biases.
  const auto block = [](std::int64_t width, std::int64_t mlp) {
    return 4 * width + 4 * width * width + 4 * width + 2 * width * mlp + mlp + width;
  };
  const VisionConfig& v = config.vision;
  const TextConfig& t = config.text;
  const std::int64_t image = v.width + (v.patches() + 1) * v.width + 3 * v.patch_size * v.patch_size * v.width +
                             (v.no_ln_pre ? 2 : 4) * v.width + v.layers * block(v.width, v.mlp_width()) +
                             v.width * config.embed_dim;
  const std::int64_t text = t.vocab_size * t.width + t.context_length * t.width + 2 * t.width +
                            t.layers * block(t.width, t.mlp_width()) + t.width * config.embed_dim;
  return image + text + 1;
}

}  // namespace study_models
}  // namespace clip_hpc
