// A model as open_clip's JSON describes it (src/open_clip/model_configs/*.json of that project). Keys that this build
// cannot honour are errors, not silently ignored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "clip_hpc/model/head_size.hpp"
#include "clip_hpc/ops/pixels.hpp"

namespace clip_hpc {

struct ModelConfig {
  std::string name;  // stem of the JSON file
  std::int64_t embed_dim = 512;
  bool quick_gelu = false;
  bool custom_text = false;  // the text tower's parameters are text.*, as open_clip's CustomTextCLIP has them
  double init_logit_scale = 2.6592600369327779;  // ln(1 / 0.07)
  std::optional<double> init_logit_bias = {};    // with it the model has a bias of the logits (SigLIP)
  PixelNorm norm;
  std::string view = {};  // of test images, as its preprocess_cfg says: a name of data/views; empty: it says nothing
  std::optional<HeadSize> head = {};  // of a self-supervised term: the strategy says it, no file
  Json vision, text;  // vision_cfg and text_cfg as their towers state them: all keys, defaults filled in
};

// Reads either a plain model, or open_clip_config.json's {"model_cfg": the model, "preprocess_cfg": {…}}.
ModelConfig parse_model_config(const Json& json, const std::string& name);  // throws input, naming the key
ModelConfig read_model_config(const std::filesystem::path& path);
Json to_json(const ModelConfig& config);  // the second form

// The view of test images: `asked`, or for kModelView the model's own and, where its file says nothing, `resize`.
std::string test_view(const ModelConfig& config, const std::string& asked);

struct ModelOptions {
  std::string config = "configs/models/ViT-B-32.json";
  std::string init = "clip_hpc";      // see arena/initial.hpp, or where both towers' weights are
  std::string init_image, init_text;  // where one tower's weights are
  std::string freeze = "none";
  std::int64_t unlocked_groups = 0;
};
void describe(OptionTable& table, ModelOptions& options);

}  // namespace clip_hpc
