#include "clip_hpc/checkpoint/formats/open_clip.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/text/tokenizer.hpp"
#include "clip_hpc/text/tokenizer_json.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

constexpr const char* kConfigName = "open_clip_config.json";
constexpr const char* kWeightsName = "open_clip_model.safetensors";
constexpr std::size_t kNamesShown = 5;

const char* name_of(ResizeMode mode) {
  switch (mode) {
    case ResizeMode::shortest:
      return "shortest";
    case ResizeMode::longest:
      return "longest";
    case ResizeMode::squash:
      break;
  }
  return "squash";
}

std::string listed(const std::vector<std::string>& names) {
  const auto shown = std::min(names.size(), kNamesShown);
  return fmt::format("{}{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                     names.size() > shown ? fmt::format(" and {} more", names.size() - shown) : "");
}

std::string shape_text(at::IntArrayRef shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

// Empty, or why the files cannot be written. CLIP's own tokenizer is open_clip's, which needs no file.
std::string write_tokenizer(const fs::path& folder, const OpenClipModel& model) {
  const std::string bytes = read_text_file(model.tokenizer_file);
  write_file_atomic(folder / kTokenizerFileName, bytes);
  if (ClipBpe::is_merges(bytes)) return {};
  try {
    const std::string name = model.tokenizer_file.native();
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

}  // namespace

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
      throw input_error("{}: tensor {} has the shape {}, the model {}: is the model's JSON the right one?", where,
                        spec.name, shape_text(tensor.sizes()), shape_text(spec.shape));
    }
    if (!tensor.is_floating_point())
      throw input_error("{}: tensor {} holds whole numbers, not weights", where, spec.name);
    matched.emplace_back(spec.name, tensor.to(at::kFloat).contiguous());
  }
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

std::string write_open_clip_folder(const fs::path& named, const OpenClipModel& model, ResizeMode mode) {
  const fs::path folder = without_slash(named);
  if (fs::exists(folder)) throw input_error("{} exists: remove it, or give another --output", folder.native());
  const fs::path beside = folder.native() + ".part";
  std::error_code failed;
  fs::remove_all(beside, failed);
  fs::create_directories(beside, failed);
  if (failed) throw storage_error("cannot create {}: {}", beside.native(), failed.message());
  std::string problem;
  try {
    problem = write_tokenizer(beside, model);
    Json config = to_json(model.config);
    // Any name makes open_clip look for a tokenizer, and with local-dir it looks into the folder.
    if (problem.empty() && fs::exists(beside / "tokenizer.json"))
      config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "local-dir";
    config["preprocess_cfg"]["interpolation"] = "bicubic";
    config["preprocess_cfg"]["resize_mode"] = name_of(mode);
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
  const fs::path weights = is_folder ? input / kWeightsName : input;
  for (const fs::path& file : {config, weights}) {
    if (!fs::exists(file)) throw input_error("{} does not exist: an open_clip folder holds it", file.native());
  }
  OpenClipModel model;
  const Json json = read_json_file(config);
  model.config =
      parse_model_config(json, config_file.empty() ? input.filename().string() : config_file.stem().string());
  const Json& text = (json.contains("model_cfg") ? json.at("model_cfg") : json).at("text_cfg");
  model.states_eos = config_file.empty() || text.contains("eos_id");
  if (is_folder && fs::exists(input / kTokenizerFileName)) model.tokenizer_file = input / kTokenizerFileName;
  model.weights =
      match_weights(read_safetensors(weights), ClipModel(model.config).arena().exported(), weights.native());
  return model;
}

}  // namespace clip_hpc
