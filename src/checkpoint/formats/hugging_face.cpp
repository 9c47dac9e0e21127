#include "clip_hpc/checkpoint/formats/hugging_face.hpp"

#include <algorithm>

#include "checkpoint/formats/hugging_face_names.hpp"
#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/data/views/view.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/text/clip_bpe.hpp"
#include "clip_hpc/text/clip_bpe_files.hpp"
#include "clip_hpc/text/tokenizer_json.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

constexpr const char* kConfigName = "config.json";
constexpr const char* kPreprocessorName = "preprocessor_config.json";
constexpr const char* kWeightsName = "model.safetensors";
// Tokenizers that can be read: CLIP's merges, and SentencePiece models by the names that they have there.
constexpr const char* kTokenizerNames[] = {"merges.txt", "spiece.model", kTokenizerFileName};

HuggingFaceKind kind_of(const ModelConfig& model) {
  return model.custom_text ? HuggingFaceKind::siglip : HuggingFaceKind::clip;
}

bool reads(const WeightSource& source) {
  return std::ranges::any_of(source.names, [](const std::string& name) {
    return name.starts_with("vision_model.") || name.starts_with("text_model.");
  });
}

Json json_or_null(const fs::path& file) { return fs::exists(file) ? read_json_file(file) : Json(); }

OpenClipModel read(const WeightSource& source) {
  const fs::path folder = fs::is_directory(source.input) ? source.input : source.input.parent_path();
  OpenClipModel model;
  if (source.config_file.empty()) {
    const fs::path config = folder / kConfigName;
    if (!fs::exists(config)) {
      throw input_error("{} does not exist: a folder of transformers holds it; or give the model's JSON with --config",
                        config.native());
    }
    const Json json = open_clip_json(read_json_file(config), json_or_null(folder / kPreprocessorName), config.native());
    model.config = parse_model_config(json, folder.filename().string());
    model.states_eos = json.at("model_cfg").at("text_cfg").contains("eos_id");
    if (!fs::exists(folder / kPreprocessorName)) {
      log_info("{} has no {}: taken is the view {}, with its model's usual mean and deviation", folder.native(),
               kPreprocessorName, model.config.view);
    }
  } else {
    model.config = parse_model_config(read_json_file(source.config_file), source.config_file.stem().string());
    model.states_eos = false;
  }
  for (const char* name : kTokenizerNames) {
    if (!model.tokenizer_file.empty() || !fs::exists(folder / name)) continue;
    model.tokenizer_file = folder / name;
    if (name == kTokenizerNames[1]) model.lower_case = true;  // SigLIP's
  }
  const std::vector<NamedShape> own = ClipModel(model.config).arena().exported();
  model.weights =
      match_weights(from_hugging_face(read_weights(source), own, kind_of(model.config)), own, source.weights.native());
  return model;
}

Json preprocessor_of(const ModelConfig& model) {
  const std::optional<TestTransform> transform = test_transform_of(test_view(model, kModelView));
  if (!transform || transform->mode == ResizeMode::longest) {
    throw input_error(
        "transformers has no preprocessing that does what the view {} does: give --view resize or eval_squash",
        test_view(model, kModelView));
  }
  const std::int64_t side = ClipModel(model).image().image_size();
  const bool crops = transform->mode == ResizeMode::shortest;
  const Json square = {{"height", side}, {"width", side}};
  return {{"image_processor_type", model.custom_text ? "SiglipImageProcessor" : "CLIPImageProcessor"},
          {"do_resize", true},
          {"size", crops ? Json{{"shortest_edge", side}} : square},
          {"resample", transform->filter == Filter::bilinear ? 2 : 3},
          {"do_center_crop", crops},
          {"crop_size", square},
          {"do_rescale", true},
          {"rescale_factor", 1.0 / 255},
          {"do_normalize", true},
          {"do_convert_rgb", true},
          {"image_mean", model.norm.mean},
          {"image_std", model.norm.std}};
}

// Empty, or why the files cannot be written.
std::string write_tokenizer(const fs::path& folder, const OpenClipModel& model) {
  const std::string bytes = read_text_file(model.tokenizer_file);
  const std::int64_t context = ClipModel(model.config).text().context();
  if (ClipBpe::is_merges(bytes)) {
    write_file_atomic(folder / "merges.txt", clip_merges_file(bytes));
    write_file_atomic(folder / "vocab.json", clip_vocabulary_file(bytes).dump());
    write_json_file(folder / "tokenizer_config.json", clip_tokenizer_config(context));
    return {};
  }
  write_file_atomic(folder / kTokenizerFileName, bytes);
  try {
    const std::string name = model.tokenizer_file.native();
    write_file_atomic(folder / "tokenizer.json", tokenizer_json(bytes, name).dump());
    write_json_file(folder / "tokenizer_config.json", tokenizer_config_json(bytes, name, context));
  } catch (const Error& problem) {
    if (problem.kind() != ErrorKind::input) throw;
    return problem.what();
  }
  return {};
}

std::string write(const fs::path& named, const OpenClipModel& model) {
  const Json config = hugging_face_json(model.config), preprocessor = preprocessor_of(model.config);
  return write_model_folder(named, [&](const fs::path& folder) {
    const std::string problem = write_tokenizer(folder, model);
    NamedTensors own;  // without torch's counters of BatchNorm, which no model of transformers has
    std::ranges::copy_if(model.weights, std::back_inserter(own),
                         [](const auto& one) { return one.second.is_floating_point(); });
    write_safetensors(folder / kWeightsName, to_hugging_face(own, kind_of(model.config)), {{"format", "pt"}});
    write_json_file(folder / kConfigName, config);
    write_json_file(folder / kPreprocessorName, preprocessor);
    return problem;
  });
}

}  // namespace

WeightFormat hugging_face_format() {
  return {"hugging_face", "a folder that transformers loads as CLIPModel or SiglipModel", reads, read, write};
}

}  // namespace clip_hpc
