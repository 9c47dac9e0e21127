#include "clip_hpc/checkpoint/formats/open_clip.hpp"

#include <optional>

#include "checkpoint/pickle.hpp"
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

// Of a folder; one that holds pickled weights alone names them.
fs::path weights_in(const fs::path& folder) {
  if (fs::exists(folder / kWeightsName)) return folder / kWeightsName;
  for (const char* name : kPickleNames) {
    if (fs::exists(folder / name)) return folder / name;
  }
  return folder / kWeightsName;
}

}  // namespace

std::string write_open_clip_folder(const fs::path& named, const OpenClipModel& model) {
  const fs::path folder = without_slash(named);
  if (fs::exists(folder)) throw input_error("{} exists: remove it, or give another --output", folder.native());
  Json config = to_json(model.config);
  config["preprocess_cfg"] = preprocessing_of(model.config);
  const fs::path beside = folder.native() + ".part";
  std::error_code failed;
  fs::remove_all(beside, failed);
  fs::create_directories(beside, failed);
  if (failed) throw storage_error("cannot create {}: {}", beside.native(), failed.message());
  std::string problem;
  try {
    problem = write_tokenizer(beside, model);
    // Any name makes open_clip look for a tokenizer, and with local-dir it looks into the folder.
    Json& text = config["model_cfg"]["text_cfg"];
    if (problem.empty() && fs::exists(beside / kTokenizerJson) && !text.contains("hf_tokenizer_name"))
      text["hf_tokenizer_name"] = "local-dir";
    write_safetensors(beside / kWeightsName, model.weights, {{"format", "pt"}});
    write_json_file(beside / kConfigName, config);
    sync_path(beside);
    rename_synced(beside, folder);
  } catch (const Error&) {
    fs::remove_all(beside, failed);
    throw;
  }
  return problem;
}

OpenClipModel read_open_clip(const fs::path& named, const fs::path& config_file) {
  const fs::path input = without_slash(named);
  if (!fs::exists(input)) {
    throw input_error("{} does not exist: give an open_clip folder or a safetensors file", input.native());
  }
  const bool is_folder = fs::is_directory(input);
  if (!is_folder && config_file.empty()) {
    throw input_error("{} says nothing of its model: give the model's JSON with --config", input.native());
  }
  if (!config_file.empty() && !fs::exists(config_file)) {
    throw input_error("{} does not exist: check --config", config_file.native());
  }
  const fs::path config = config_file.empty() ? input / kConfigName : config_file;
  const fs::path weights = is_folder ? weights_in(input) : input;
  for (const fs::path& file : {config, weights}) {
    if (!fs::exists(file)) throw input_error("{} does not exist: an open_clip folder holds it", file.native());
  }
  refuse_pickle(weights);
  OpenClipModel model;
  const Json json = read_json_file(config);
  model.config =
      parse_model_config(json, config_file.empty() ? input.filename().string() : config_file.stem().string());
  const Json& text = (json.contains("model_cfg") ? json.at("model_cfg") : json).at("text_cfg");
  model.states_eos = config_file.empty() || text.contains("eos_id");
  if (model.config.view.empty()) {
    model.config.view = test_view_name({});
    log_info("{} does not say how an image is resized: taken is open_clip's default, the view {}", config.native(),
             model.config.view);
  }
  if (is_folder && fs::exists(input / kTokenizerFileName)) {
    model.tokenizer_file = input / kTokenizerFileName;
    model.lower_case = lower_case_beside(input);
  }
  model.weights =
      match_weights(read_safetensors(weights), ClipModel(model.config).arena().exported(), weights.native());
  return model;
}

WeightFormat open_clip_format() {
  // A folder, or a safetensors file with a model's JSON.
  const auto reads = [](const fs::path& input, const fs::path& config_file) {
    return fs::is_directory(input) || !config_file.empty() || input.extension() == ".safetensors";
  };
  return {"open_clip", "a folder that open_clip loads", reads, read_open_clip, write_open_clip_folder};
}

}  // namespace clip_hpc
