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
#include "clip_hpc/text/tokenizer.hpp"

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

SourceFacts facts_of(const WeightSource& source) {
  const fs::path folder = fs::is_directory(source.input) ? source.input : source.input.parent_path();
  SourceFacts facts;
  if (fs::exists(folder / kConfigName)) {
    const fs::path preprocessor = folder / kPreprocessorName;
    const Json json = open_clip_json(read_json_file(folder / kConfigName), json_or_null(preprocessor), folder.native());
    facts.config = parse_model_config(json, folder.filename().string());
    facts.states_eos = json.at("model_cfg").at("text_cfg").contains("eos_id");
    if (!fs::exists(preprocessor)) {
      log_info("{} has no {}: taken is the view {}, with its model's usual mean and deviation", folder.native(),
               kPreprocessorName, facts.config->view);
    }
  }
  for (const char* name : kTokenizerNames) {
    if (!facts.tokenizer_file.empty() || !fs::exists(folder / name)) continue;
    facts.tokenizer_file = folder / name;
    if (name == kTokenizerNames[1]) facts.lower_case = true;  // SigLIP's
  }
  return facts;
}

NamedTensors named(NamedTensors theirs, const std::vector<NamedShape>& own) {
  const bool is_siglip = std::ranges::any_of(theirs, [](const auto& one) {
    return one.first.starts_with("vision_model.head.") || one.first.starts_with("text_model.head.");
  });
  return from_hugging_face(theirs, own, is_siglip ? HuggingFaceKind::siglip : HuggingFaceKind::clip);
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
  if (!ClipBpe::is_merges(bytes)) return write_sentencepiece(folder, model);
  write_file_atomic(folder / "merges.txt", clip_merges_file(bytes));
  write_file_atomic(folder / "vocab.json", clip_vocabulary_file(bytes).dump());
  write_json_file(folder / "tokenizer_config.json", clip_tokenizer_config(ClipModel(model.config).text().context()));
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
  return {"hugging_face", "a folder that transformers loads as CLIPModel or SiglipModel", reads, facts_of, named,
          write};
}

}  // namespace clip_hpc
