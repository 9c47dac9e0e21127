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
constexpr const char* kMergesName = "merges.txt";

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
  if (!ClipBpe::is_merges(bytes)) return write_sentencepiece(folder, model);
  write_file_atomic(folder / kTokenizerFileName, bytes);
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

// The same with a text tower that this build has.
Json with_image_alone(Json json) {
  Json& model = json.contains("model_cfg") ? json.at("model_cfg") : json;
  if (!model.is_object()) return json;
  model["text_cfg"] = Json::object();
  model.erase("multimodal_cfg");
  return json;
}

SourceFacts facts_of(const WeightSource& source) {
  SourceFacts facts;
  const fs::path& folder = source.input;
  if (!fs::is_directory(folder)) return facts;
  if (fs::exists(folder / kConfigName)) {
    const Json json = read_json_file(folder / kConfigName);
    facts.config = parse_model_config(source.image_alone ? with_image_alone(json) : json, folder.filename().string());
    facts.states_eos = true;  // its default is 2
  }
  if (fs::exists(folder / kTokenizerFileName)) {
    facts.tokenizer_file = folder / kTokenizerFileName;
    facts.lower_case = lower_case_beside(folder);
  } else if (fs::exists(folder / kMergesName)) {
    facts.tokenizer_file = folder / kMergesName;  // CLIP's own, as folders of the hub have it
  }
  return facts;
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

WeightFormat open_clip_format() {
  const auto reads = [](const WeightSource& source) {
    return std::ranges::any_of(source.names, [](const std::string& name) { return name.starts_with("visual."); });
  };
  const auto named = [](NamedTensors theirs, const std::vector<NamedShape>&) { return theirs; };
  return {"open_clip", "a folder that open_clip loads", reads, facts_of, named, write_open_clip_folder};
}

}  // namespace clip_hpc
