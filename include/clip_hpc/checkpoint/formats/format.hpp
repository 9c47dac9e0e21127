// How other projects store a model: each a row of the table in src/checkpoint/formats/format.cpp and one file behind
// it. All of them are read into, and written from, open_clip's names and shapes. safetensors only, never pickle.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/checkpoint/safetensors.hpp"
#include "clip_hpc/model/arena/parameters.hpp"
#include "clip_hpc/model/model_file.hpp"

namespace clip_hpc {

struct OpenClipModel {
  ModelConfig config;
  NamedTensors weights;                  // fp32, in the order of the model's parameters
  std::filesystem::path tokenizer_file;  // a SentencePiece model or CLIP's merges; empty where there is none
  bool states_eos = true;                // false: a model JSON that leaves eos_id to the tokenizer
  std::optional<bool> lower_case = {};   // of captions, where the format says it beside a tokenizer file that does not
};

// Weights that a user named: a folder, or one file with its model's JSON in `config_file`.
struct WeightSource {
  std::filesystem::path input, config_file;
  std::filesystem::path weights;   // the safetensors file, or the index of several
  std::vector<std::string> names;  // of the tensors, without what wrappers put before all of them
  bool image_alone = false;        // the text tower is not wanted, and may be one that this build has not
};
// Looks at names alone. A file that lies with files that describe its model is taken as their folder, with a line.
// Throws input where there is none, or pickles alone.
WeightSource weight_source(const std::filesystem::path& input, const std::filesystem::path& config_file);
// What wrappers put before all names (module., _orig_mod., model.) is taken off, with a line.
NamedTensors read_weights(const WeightSource& source);

// What lies beside weights and says what they are of.
struct SourceFacts {
  std::optional<ModelConfig> config = {};     // none: of a bare file
  bool states_eos = false;                    // whether it names the end token, or leaves it to the tokenizer
  std::filesystem::path tokenizer_file = {};  // empty: none that can be read
  std::optional<bool> lower_case = {};        // of captions, where a file beside the tokenizer says it
};

struct WeightFormat {
  const char* name;
  const char* help;
  bool (*reads)(const WeightSource& source);         // by the names of its tensors
  SourceFacts (*facts)(const WeightSource& source);  // throws input for a model that this build has not
  // The same weights by open_clip's names and in its shapes, as far as `own` asks for them; others keep their names.
  NamedTensors (*named)(NamedTensors theirs, const std::vector<NamedShape>& own);
  // Into a folder that must not exist; it is written beside, synced and renamed. Throws input where the format has no
  // words for the model or its view. Returns why a part could not be written that the model works without, or nothing.
  // Null: the format is only read.
  std::string (*write)(const std::filesystem::path& folder, const OpenClipModel& model);
};

// tokenizer.model, and the same as tokenizer.json and tokenizer_config.json of Hugging Face's tokenizers. Returns why
// those could not be written, or nothing.
std::string write_sentencepiece(const std::filesystem::path& folder, const OpenClipModel& model);

std::span<const WeightFormat> weight_formats();
std::vector<WeightFormat> written_formats();                 // those that can be written
const WeightFormat& weight_format(const std::string& name);  // of those; throws input, naming the nearest
// The first format that reads it. Throws input, naming the formats.
const WeightFormat& weight_format_of(const WeightSource& source);
// A whole model: by `config_file`, or by what lies beside its weights. Throws input where names or shapes are not those
// of the model: it lists them.
OpenClipModel read_model_weights(const std::filesystem::path& input, const std::filesystem::path& config_file);

// A folder that must not exist, filled by `fill` beside its place, synced and renamed. Returns what `fill` returns.
std::string write_model_folder(const std::filesystem::path& folder,
                               const std::function<std::string(const std::filesystem::path&)>& fill);

// Throws input, naming both shapes and what is to be changed.
[[noreturn]] void refuse_shape(const std::string& where, const NamedShape& spec, at::IntArrayRef found);

// The tensors that `names` ask for, in fp32 and in their order. Tensors that are known to be no weights are left out,
// with a line. Throws
// input, naming `where`, what is missing, what is unknown, what has another shape and what holds values that are no
// numbers.
NamedTensors match_weights(const NamedTensors& weights, const std::vector<NamedShape>& names, const std::string& where);

}  // namespace clip_hpc
