#include "clip_hpc/checkpoint/load_model.hpp"

#include <algorithm>
#include <map>
#include <string>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"

namespace clip_hpc {
namespace {

// A checkpoint that is complete, or nothing.
std::filesystem::path newest_checkpoint(const RunFolder& folder) {
  for (const std::filesystem::path& path : checkpoints_newest_first(folder)) {
    const CheckpointInfo info = inspect_checkpoint(path);
    if (info.about) return path;
    log_info("warning: skipping {}: {}", path.native(), info.problem);
  }
  return {};
}

// What makes a run folder of another project's model.
std::string import_words(const std::filesystem::path& path) {
  const auto has = [&](const char* name) { return std::filesystem::exists(path / name); };
  const bool has_config = has("open_clip_config.json") || has("config.json");
  const bool has_words = has("merges.txt") || has("spiece.model") || has(kTokenizerFileName);
  return fmt::format("clip_hpc import --input {}{}{} --output runs/{}", path.native(),
                     has_config ? "" : " --config MODEL.json", has_words ? "" : " --tokenizer clip|FILE",
                     path.stem().native());
}

[[noreturn]] void refuse_no_checkpoint(const std::filesystem::path& path) {
  if (holds_other_weights(path)) {
    throw input_error("{} holds another project's weights: make a run folder of it with\n  {}", path.native(),
                      import_words(path));
  }
  throw input_error("{} holds no complete checkpoint: give a run folder or a checkpoint folder", path.native());
}

}  // namespace

bool holds_other_weights(const std::filesystem::path& named) {
  namespace fs = std::filesystem;
  const fs::path path = without_slash(named);
  const auto is_of_weights = [](const fs::path& file) {
    const fs::path suffix = file.extension();
    return suffix == ".safetensors" || suffix == ".bin" || suffix == ".pt";
  };
  if (!fs::is_directory(path)) return fs::exists(path) && is_of_weights(path);
  const bool is_own = fs::exists(path / "manifest.json") || fs::exists(path / "state.h5") ||
                      fs::exists(RunFolder{path}.checkpoints_dir());
  const fs::directory_iterator files(path);
  return !is_own && std::ranges::any_of(files, [&](const fs::directory_entry& file) { return is_of_weights(file); });
}

std::vector<std::filesystem::path> checkpoints_newest_first(const RunFolder& folder) {
  std::vector<std::filesystem::path> paths;
  for (const std::int64_t step : folder.checkpoint_steps()) paths.push_back(folder.checkpoint_path(step));
  std::reverse(paths.begin(), paths.end());
  return paths;
}

std::filesystem::path tokenizer_file(const RunFolder& folder) { return folder.path / kTokenizerFileName; }

ModelConfig model_for(ModelConfig model, const Tokenizer& tokenizer) {
  const Vocabulary vocabulary{tokenizer.vocab_size(), tokenizer.eos_id(), tokenizer.is_clip()};
  model.text = text_tower_of(model.text, model.name).with_vocabulary(model.text, vocabulary, model.name);
  return model;
}

std::string stated_clean(const ModelConfig& model) {
  const Json kwargs = model.text.value("tokenizer_kwargs", Json::object());
  const Json clean = kwargs.is_object() ? kwargs.value("clean", Json()) : Json();
  return clean.is_string() ? clean.get<std::string>() : "";
}

at::ScalarType scalar_type_of(const std::string& precision) { return precision == "bf16" ? at::kBFloat16 : at::kFloat; }

void require_numbers(const std::string& name, const at::Tensor& tensor, const std::string& where) {
  const at::Tensor finite = tensor.isfinite();
  if (finite.all().item<bool>()) return;
  throw input_error(
      "{}: tensor {} holds {} values of {} that are NaN or Inf: training diverged, take another checkpoint", where,
      name, tensor.numel() - finite.sum().item<std::int64_t>(), tensor.numel());
}

void require_weights(const std::string& name, const at::Tensor& tensor, const std::string& where) {
  if (tensor.is_floating_point()) return;
  throw input_error("{}: tensor {} holds whole numbers, not weights: convert it to floating point", where, name);
}

NamedTensors named_weights(const ClipModel& model) {
  const ParameterArena& arena = model.arena();
  NamedTensors weights;
  for (std::size_t i = 0; i < arena.specs().size(); ++i) {
    if (arena.specs()[i].exported && !arena.specs()[i].frozen)
      weights.emplace_back(arena.specs()[i].name, arena.master_view(i));
  }
  for (std::size_t i = 0; i < arena.buffer_specs().size(); ++i) {
    if (arena.buffer_specs()[i].exported) weights.emplace_back(arena.buffer_specs()[i].name, arena.buffer(i));
  }
  const NamedTensors counters = batch_counters(arena);
  weights.insert(weights.end(), counters.begin(), counters.end());
  return weights;
}

std::vector<std::string> batch_counter_names(const ParameterArena& arena) {
  std::vector<std::string> counters;
  constexpr std::string_view kBeside = "running_mean";
  for (const BufferSpec& spec : arena.buffer_specs()) {
    if (!spec.exported || !spec.name.ends_with(kBeside)) continue;
    const std::string layer = spec.name.substr(0, spec.name.size() - kBeside.size());
    counters.push_back(layer + kBatchCounter);
  }
  return counters;
}

NamedTensors batch_counters(const ParameterArena& arena) {
  NamedTensors counters;
  for (std::string& name : batch_counter_names(arena)) counters.emplace_back(std::move(name), at::zeros({}, at::kLong));
  return counters;
}

void set_weights(ClipModel& model, const NamedTensors& weights, const std::string& where) {
  ParameterArena& arena = model.arena();
  const std::map<std::string, at::Tensor> by_name(weights.begin(), weights.end());
  const auto tensor_of = [&](const auto& spec) {
    const auto found = by_name.find(spec.name);
    if (found == by_name.end() || found->second.sizes() != at::IntArrayRef(spec.shape)) {
      throw storage_error("{}: tensor {} is missing or has another shape", where, spec.name);
    }
    require_numbers(spec.name, found->second, where);
    return found->second;
  };
  for (std::size_t i = 0; i < arena.specs().size(); ++i) {
    if (arena.specs()[i].exported && !arena.specs()[i].frozen) arena.set_parameter(i, tensor_of(arena.specs()[i]));
  }
  for (std::size_t i = 0; i < arena.buffer_specs().size(); ++i) {
    if (arena.buffer_specs()[i].exported) arena.buffer(i).copy_(tensor_of(arena.buffer_specs()[i]));
  }
  arena.refresh_weights();
}

LoadedModel load_model(const std::filesystem::path& named, const std::string& precision, const at::Device& device,
                       const std::string& which) {
  const std::filesystem::path path = without_slash(named);
  LoadedModel loaded;
  std::filesystem::path checkpoint = path;
  if (!std::filesystem::exists(path / "manifest.json")) {
    loaded.folder = RunFolder{path};
    checkpoint = newest_checkpoint(loaded.folder);
    if (checkpoint.empty()) refuse_no_checkpoint(path);
  } else {
    loaded.folder = RunFolder{std::filesystem::absolute(path).lexically_normal().parent_path().parent_path()};
  }
  const CheckpointInfo info = inspect_checkpoint(checkpoint);
  if (!info.about) throw storage_error("{} is not a complete checkpoint: {}", checkpoint.native(), info.problem);
  const Json& about = *info.about;
  loaded.model = std::make_unique<ClipModel>(
      parse_model_config(about.at("model"), about.at("model_name").get<std::string>()),
      scalar_type_of(precision == "auto" ? about.value("precision", "fp32") : precision), device);
  loaded.has_average = keeps_average(checkpoint);
  loaded.averaged = which != "trained" && loaded.has_average;
  if (which == "ema" && !loaded.averaged) {
    throw input_error("{} holds no averaged weights: train with optim.ema, or ask for the trained ones",
                      checkpoint.native());
  }
  set_weights(*loaded.model, read_checkpoint_weights(checkpoint, loaded.averaged), checkpoint.native());
  loaded.tokenizer = std::make_unique<Tokenizer>(Tokenizer::load(tokenizer_file(loaded.folder)));
  loaded.progress = {about.at("step").get<std::int64_t>(), about.at("samples_seen").get<std::int64_t>(),
                     about.value("total_steps", std::int64_t{0})};
  return loaded;
}

}  // namespace clip_hpc
