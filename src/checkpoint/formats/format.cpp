#include "clip_hpc/checkpoint/formats/format.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string_view>

#include "checkpoint/pickle.hpp"
#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/text.hpp"
#include "clip_hpc/checkpoint/formats/hugging_face.hpp"
#include "clip_hpc/checkpoint/formats/open_clip.hpp"
#include "clip_hpc/checkpoint/formats/resized_positions.hpp"
#include "clip_hpc/checkpoint/formats/same_arithmetic.hpp"
#include "clip_hpc/checkpoint/formats/timm_trunk.hpp"
#include "clip_hpc/checkpoint/load_model.hpp"
#include "clip_hpc/config/rows.hpp"
#include "clip_hpc/data/views/view.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/text/tokenizer.hpp"
#include "clip_hpc/text/tokenizer_json.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

std::string shape_text(at::IntArrayRef shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

// What wrappers of a model put before the names of its weights.
constexpr std::string_view kWrappers[] = {"module.", "_orig_mod.", "model."};
// Tensors of open_clip's and OpenAI's files that are no weights: a mask that follows from the context, and sizes.
constexpr std::string_view kNoWeights[] = {"attn_mask", "input_resolution", "context_length", "vocab_size"};

struct Unwrapped {
  std::vector<std::string> names;
  std::string taken_off;
};

// A wrapper that stands before all names is taken off, and one within another, too.
Unwrapped without_wrappers(std::vector<std::string> names) {
  Unwrapped result{std::move(names), ""};
  for (bool found = !result.names.empty(); found;) {
    found = false;
    for (const std::string_view wrapper : kWrappers) {
      const auto is_in = [&](const std::string& name) { return name.starts_with(wrapper); };
      if (!std::ranges::all_of(result.names, is_in)) continue;
      for (std::string& name : result.names) name.erase(0, wrapper.size());
      result.taken_off += wrapper;
      found = true;
    }
  }
  return result;
}

constexpr std::string_view kIndexSuffix = ".index.json";  // of weights in several files

// The first of these files that a folder holds, or nothing.
fs::path first_in(const fs::path& folder, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (fs::exists(folder / name)) return folder / name;
  }
  return {};
}

// Of a folder: the weights that it holds, the names that open_clip uses first; or nothing.
fs::path weights_in(const fs::path& folder) {
  return first_in(folder, {"open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors",
                           "model.safetensors.index.json"});
}

// The folder of a file of weights that was named itself, where files beside it say what model they are of.
fs::path described_folder(const fs::path& file) {
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::current_path();
  if (weights_in(folder).filename() != file.filename()) return {};
  const fs::path words = first_in(folder, {"open_clip_config.json", "config.json"});
  if (words.empty()) return {};
  log_info("{}: taken with the files beside it, {} among them", file.native(), words.filename().native());
  return folder;
}

// The file itself, or those that an index names, all in its folder.
std::vector<fs::path> files_of(const fs::path& weights) {
  if (!weights.native().ends_with(kIndexSuffix)) return {weights};
  const Json index = read_json_file(weights);
  if (!index.contains("weight_map") || !index.at("weight_map").is_object()) {
    throw storage_error("{} has no weight_map: it is damaged", weights.native());
  }
  std::set<std::string> names;
  for (const auto& [tensor, file] : index.at("weight_map").items()) {
    if (!file.is_string() || fs::path(file.get<std::string>()).has_parent_path()) {
      throw storage_error("{}: the file of tensor {} lies outside its folder", weights.native(), tensor);
    }
    names.insert(file.get<std::string>());
  }
  std::vector<fs::path> files;
  for (const std::string& name : names) files.push_back(weights.parent_path() / name);
  return files;
}

std::vector<std::string> names_in(const fs::path& weights) {
  std::vector<std::string> names;
  for (const fs::path& file : files_of(weights)) {
    std::vector<std::string> part = safetensors_names(file);
    std::ranges::move(part, std::back_inserter(names));
  }
  return names;
}

void leave_out_no_weights(std::map<std::string, at::Tensor>& left, const std::string& where) {
  std::vector<std::string> names;
  for (const std::string_view name : kNoWeights) {
    if (left.erase(std::string(name)) > 0) names.emplace_back(name);
  }
  std::erase_if(left, [](const auto& one) { return one.first.ends_with(kBatchCounter); });
  if (!names.empty()) log_info("{}: left out, since they are no weights: {}", where, fmt::join(names, ", "));
}

// The user's JSON in place of what lies beside the weights, whose words count where the JSON has none.
void describe_by(const fs::path& config_file, const std::string& where, SourceFacts& facts) {
  const Json json = read_json_file(config_file);
  ModelConfig given = parse_model_config(json, config_file.stem().string());
  const bool is_wrapped = json.contains("model_cfg");
  const Json& text = (is_wrapped ? json.at("model_cfg") : json).at("text_cfg");
  bool states_eos = text.contains("eos_id");
  if (facts.config) {
    const ModelConfig& beside = *facts.config;
    if (!is_wrapped || !json.contains("preprocess_cfg")) given.norm = beside.norm;
    if (given.view.empty()) given.view = beside.view;
    for (const char* key : {"hf_tokenizer_name", "tokenizer_kwargs", "eos_id"}) {
      if (!text.contains(key) && beside.text.contains(key)) given.text[key] = beside.text.at(key);
    }
    states_eos = states_eos || facts.states_eos;
    for (const bool image : {true, false}) check_same_arithmetic(beside, given, image, where);
  }
  facts.config = std::move(given);
  facts.states_eos = states_eos;
}

// Where the text tower of the weights reads captions of another length than the model's.
std::string other_context(const NamedShape& spec, at::IntArrayRef found) {
  if (spec.name != "positional_embedding" && spec.name != "text.positional_embedding") return {};
  if (found.size() != 2 || spec.shape.size() != 2 || found[1] != spec.shape[1]) return {};
  return fmt::format(
      "its text tower reads {} tokens, that of the model's JSON {}: set text_cfg.context_length = {} there", found[0],
      spec.shape[0], found[0]);
}

}  // namespace

void refuse_shape(const std::string& where, const NamedShape& spec, at::IntArrayRef found) {
  const std::string context = other_context(spec, found);
  throw input_error("{}: tensor {} has the shape {}, the model {}: {}", where, spec.name, shape_text(found),
                    shape_text(spec.shape), context.empty() ? "is the model's JSON the right one?" : context);
}

std::span<const WeightFormat> weight_formats() {
  static const WeightFormat kFormats[] = {
      open_clip_format(),
      hugging_face_format(),
      timm_trunk_format(),
  };
  return kFormats;
}

std::vector<WeightFormat> written_formats() {
  std::vector<WeightFormat> written;
  std::ranges::copy_if(weight_formats(), std::back_inserter(written),
                       [](const WeightFormat& format) { return format.write != nullptr; });
  return written;
}

const WeightFormat& weight_format(const std::string& name) {
  static const std::vector<WeightFormat> kWritten = written_formats();
  return row_named(std::span<const WeightFormat>(kWritten), name, "format");
}

WeightSource weight_source(const fs::path& named, const fs::path& config_file) {
  WeightSource source{without_slash(named), config_file, {}, {}};
  if (!fs::exists(source.input)) {
    throw input_error("{} does not exist: give a folder with a model's weights, or a safetensors file",
                      source.input.native());
  }
  if (!config_file.empty() && !fs::exists(config_file)) {
    throw input_error("{} does not exist: check --config", config_file.native());
  }
  refuse_pickle(source.input);
  if (!fs::is_directory(source.input)) {
    source.weights = source.input;
    if (const fs::path folder = described_folder(source.input); !folder.empty()) source.input = folder;
  } else if (source.weights = weights_in(source.input); source.weights.empty()) {
    throw input_error("{} holds neither open_clip_model.safetensors nor model.safetensors: is it a model's folder?",
                      source.input.native());
  }
  source.names = without_wrappers(names_in(source.weights)).names;
  return source;
}

NamedTensors read_weights(const WeightSource& source) {
  NamedTensors weights;
  for (const fs::path& file : files_of(source.weights)) {
    NamedTensors part = read_safetensors(file);
    std::ranges::move(part, std::back_inserter(weights));
  }
  std::vector<std::string> names;
  for (const auto& [name, tensor] : weights) names.push_back(name);
  Unwrapped unwrapped = without_wrappers(std::move(names));
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i].first = std::move(unwrapped.names[i]);
  if (!unwrapped.taken_off.empty()) {
    log_info("{}: \"{}\" before the names of all tensors is taken off", source.weights.native(), unwrapped.taken_off);
  }
  return weights;
}

std::string write_sentencepiece(const fs::path& folder, const OpenClipModel& model) {
  const std::string bytes = read_text_file(model.tokenizer_file), name = model.tokenizer_file.native();
  write_file_atomic(folder / kTokenizerFileName, bytes);
  try {
    const Json tokenizer = tokenizer_json(bytes, name);
    write_file_atomic(folder / "tokenizer.json", tokenizer.dump());
    write_json_file(folder / "tokenizer_config.json",
                    tokenizer_config_json(bytes, name, ClipModel(model.config).text().context()));
  } catch (const Error& problem) {
    if (problem.kind() != ErrorKind::input) throw;
    return problem.what();
  }
  return {};
}

const WeightFormat& weight_format_of(const WeightSource& source) {
  for (const WeightFormat& format : weight_formats()) {
    if (format.reads(source)) return format;
  }
  const std::string first = source.names.empty() ? "nothing" : listed(source.names);
  throw input_error("{} holds no model of a format that can be read ({}): its tensors are {}", source.weights.native(),
                    fmt::join(names_of(weight_formats()), ", "), first);
}

OpenClipModel read_model_weights(const fs::path& input, const fs::path& config_file) {
  const WeightSource source = weight_source(input, config_file);
  const WeightFormat& format = weight_format_of(source);
  if (format.write == nullptr) {
    throw input_error("{} holds an image tower alone: a training begins with it, model.init_image = {}", input.native(),
                      input.native());
  }
  SourceFacts facts = format.facts(source);
  if (!config_file.empty()) describe_by(config_file, input.native(), facts);
  if (!facts.config) {
    throw input_error(
        "{} says nothing of its model: give the model's JSON with --config (to eval, embed and score: --model-config)",
        source.input.native());
  }
  OpenClipModel model{std::move(*facts.config), {}, facts.tokenizer_file, facts.states_eos, facts.lower_case};
  if (model.config.view.empty()) {
    model.config.view = test_view_name({});
    log_info("{} does not say how an image is resized: taken is open_clip's default, the view {}",
             source.input.native(), model.config.view);
  }
  const std::vector<NamedShape> own = ClipModel(model.config).arena().exported();
  model.weights = match_weights(format.named(read_weights(source), own), own, source.weights.native());
  return model;
}

std::string write_model_folder(const fs::path& named, const std::function<std::string(const fs::path&)>& fill) {
  const fs::path folder = without_slash(named);
  if (fs::exists(folder)) throw input_error("{} exists: remove it, or give another --output", folder.native());
  const fs::path beside = folder.native() + ".part";
  std::error_code failed;
  fs::remove_all(beside, failed);
  fs::create_directories(beside, failed);
  if (failed) throw storage_error("cannot create {}: {}", beside.native(), failed.message());
  try {
    const std::string problem = fill(beside);
    sync_path(beside);
    rename_synced(beside, folder);
    return problem;
  } catch (const Error&) {
    fs::remove_all(beside, failed);
    throw;
  }
}

NamedTensors match_weights(const NamedTensors& weights, const std::vector<NamedShape>& names,
                           const std::string& where) {
  std::map<std::string, at::Tensor> left(weights.begin(), weights.end());
  std::vector<std::string> missing, unknown;
  NamedTensors matched;
  for (const NamedShape& spec : names) {
    const auto found = left.find(spec.name);
    if (found == left.end()) {
      missing.push_back(spec.name);
      continue;
    }
    at::Tensor tensor = found->second;
    left.erase(found);
    if (spec.shape.empty() && tensor.numel() == 1)
      tensor = tensor.reshape({});  // open_clip takes a scale of [1] as well
    if (tensor.sizes() != at::IntArrayRef(spec.shape)) {
      if (const at::Tensor resized = resized_positions(tensor, spec); resized.defined()) {
        log_info("{}: {} is resized from {} to {} x {} patches", where, spec.name, shape_text(tensor.sizes()),
                 spec.grid->side, spec.grid->side);
        tensor = resized;
      }
    }
    if (tensor.sizes() != at::IntArrayRef(spec.shape)) {
      refuse_shape(where, spec, tensor.sizes());
    }
    require_weights(spec.name, tensor, where);
    matched.emplace_back(spec.name, tensor.to(at::kFloat).contiguous());
    require_numbers(spec.name, matched.back().second, where);
  }
  leave_out_no_weights(left, where);
  for (const auto& [name, tensor] : left) unknown.push_back(name);
  if (!missing.empty()) {
    throw input_error("{} lacks tensors of the model: {}{}: is the model's JSON the right one?", where, listed(missing),
                      unknown.empty() ? "" : "; unknown are " + listed(unknown));
  }
  if (!unknown.empty()) {
    throw input_error("{} has tensors that the model has not: {}: is the model's JSON the right one?", where,
                      listed(unknown));
  }
  return matched;
}

}  // namespace clip_hpc
