#include "clip_hpc/checkpoint/formats/open_clip.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/data/views/view.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/text/tokenizer.hpp"
#include "clip_hpc/text/tokenizer_json.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

constexpr const char* kConfigName = "open_clip_config.json";
constexpr const char* kWeightsName = "open_clip_model.safetensors";
constexpr const char* kTokenizerJson = "tokenizer.json";

// Beside a tokenizer.model that does not say whether captions are put into lower case.
std::optional<bool> lower_case_beside(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::exists(folder / kTokenizerJson, ignored)) return std::nullopt;
  return lowers_case(read_json_file(folder / kTokenizerJson));
}

// The test image's transform, which open_clip knows by other names than we.
Json preprocessing_of(const ModelConfig& model) {
  ModelConfig config = model;
  config.view = test_view(model, kModelView);
  if (!test_transform_of(config.view)) {
    throw input_error(
        "open_clip has no preprocessing that does what the view {} does: give --view resize, eval or eval_longest",
        config.view);
  }
  Json json = to_json(config).at("preprocess_cfg");
  const std::int64_t size = ClipModel(model).image().image_size();
  json["size"] = {size, size};
  json["mode"] = "RGB";
  return json;
}

// Empty, or why the files cannot be written. CLIP's own tokenizer is open_clip's, which needs no file.
std::string write_tokenizer(const fs::path& folder, const OpenClipModel& model) {
  const std::string bytes = read_text_file(model.tokenizer_file);
  write_file_atomic(folder / kTokenizerFileName, bytes);
  if (ClipBpe::is_merges(bytes)) return {};
  try {
    const std::string name = model.tokenizer_file.native();
    const Json tokenizer = tokenizer_json(bytes, name);
    write_file_atomic(folder / kTokenizerJson, tokenizer.dump());
    write_json_file(folder / "tokenizer_config.json",
                    tokenizer_config_json(bytes, name, ClipModel(model.config).text().context()));
  } catch (const Error& problem) {
    if (problem.kind() != ErrorKind::input) throw;
    return problem.what();
  }
  return {};
}

// What this build can do and open_clip cannot.
void tell_own_keys(const ModelConfig& model) {
  std::vector<std::string> own;
  for (const char* key : {"norm", "conv_stem", "timm_model_kwargs"}) {
    if (model.vision.contains(key)) own.emplace_back(key);
  }
  if (own.empty()) return;
  log_warn("open_clip 3.3 has no vision_cfg.{}: the folder is for clip_hpc import, open_clip will not load it",
           fmt::join(own, ", "));
}

}  // namespace

std::string write_open_clip_folder(const fs::path& named, const OpenClipModel& model) {
  Json config = to_json(model.config);
  config["preprocess_cfg"] = preprocessing_of(model.config);
  tell_own_keys(model.config);
  return write_model_folder(named, [&](const fs::path& folder) {
    const std::string problem = write_tokenizer(folder, model);
    // Any name makes open_clip look for a tokenizer, and with local-dir it looks into the folder.
    Json& text = config["model_cfg"]["text_cfg"];
    if (problem.empty() && fs::exists(folder / kTokenizerJson) && !text.contains("hf_tokenizer_name"))
      text["hf_tokenizer_name"] = "local-dir";
    write_safetensors(folder / kWeightsName, model.weights, {{"format", "pt"}});
    write_json_file(folder / kConfigName, config);
    return problem;
  });
}

OpenClipModel read_open_clip(const WeightSource& source) {
  const bool is_folder = fs::is_directory(source.input);
  if (!is_folder && source.config_file.empty()) {
    throw input_error("{} says nothing of its model: give the model's JSON with --config", source.input.native());
  }
  const fs::path config = source.config_file.empty() ? source.input / kConfigName : source.config_file;
  if (!fs::exists(config)) {
    throw input_error("{} does not exist: an open_clip folder holds it; or give the model's JSON with --config",
                      config.native());
  }
  OpenClipModel model;
  const Json json = read_json_file(config);
  const fs::path named = source.config_file.empty() ? source.input.filename() : source.config_file.stem();
  model.config = parse_model_config(json, named.string());
  const Json& text = (json.contains("model_cfg") ? json.at("model_cfg") : json).at("text_cfg");
  model.states_eos = source.config_file.empty() || text.contains("eos_id");
  if (model.config.view.empty()) {
    model.config.view = test_view_name({});
    log_info("{} does not say how an image is resized: taken is open_clip's default, the view {}", config.native(),
             model.config.view);
  }
  if (is_folder && fs::exists(source.input / kTokenizerFileName)) {
    model.tokenizer_file = source.input / kTokenizerFileName;
    model.lower_case = lower_case_beside(source.input);
  }
  model.weights =
      match_weights(read_weights(source), ClipModel(model.config).arena().exported(), source.weights.native());
  return model;
}

WeightFormat open_clip_format() {
  const auto reads = [](const WeightSource& source) {
    return std::ranges::any_of(source.names, [](const std::string& name) { return name.starts_with("visual."); });
  };
  return {"open_clip", "a folder that open_clip loads", reads, read_open_clip, write_open_clip_folder};
}

}  // namespace clip_hpc
