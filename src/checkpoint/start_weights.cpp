#include "clip_hpc/checkpoint/start_weights.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/text.hpp"
#include "clip_hpc/checkpoint/checkpoint.hpp"
#include "clip_hpc/checkpoint/formats/format.hpp"
#include "clip_hpc/checkpoint/formats/resized_positions.hpp"
#include "clip_hpc/checkpoint/formats/same_arithmetic.hpp"
#include "clip_hpc/checkpoint/load_model.hpp"
#include "clip_hpc/text/clip_bpe.hpp"
#include "clip_hpc/text/clip_bpe_files.hpp"
#include "clip_hpc/text/lower_case.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

struct Found {                        // what a path holds
  NamedTensors weights;               // by open_clip's names
  std::optional<ModelConfig> config;  // where it says what model they are of
  std::string tokenizer;              // bytes, where it brings one
};

std::string bytes_or_nothing(const fs::path& file) {
  return !file.empty() && fs::exists(file) ? read_text_file(file) : "";
}

// A run folder or a checkpoint of ours.
std::optional<Found> found_in_run(const fs::path& path) {
  fs::path checkpoint = path;
  if (!fs::exists(path / "manifest.json")) {
    const RunFolder folder{path};
    if (!fs::is_directory(path) || folder.checkpoint_steps().empty()) return std::nullopt;
    checkpoint = checkpoints_newest_first(folder).front();
  }
  const CheckpointInfo info = inspect_checkpoint(checkpoint);
  if (!info.about) throw storage_error("{} is not a complete checkpoint: {}", checkpoint.native(), info.problem);
  const fs::path run = fs::absolute(checkpoint).lexically_normal().parent_path().parent_path();
  return Found{read_checkpoint_weights(checkpoint, keeps_average(checkpoint)),
               parse_model_config(info.about->at("model"), info.about->at("model_name").get<std::string>()),
               bytes_or_nothing(tokenizer_file(RunFolder{run}))};
}

Found found_in_files(const fs::path& path, const ClipModel& model, bool image_alone) {
  WeightSource source = weight_source(path, {});
  source.image_alone = image_alone;
  const WeightFormat& format = weight_format_of(source);
  SourceFacts facts = format.facts(source);
  return {format.named(read_weights(source), model.arena().exported()), std::move(facts.config),
          bytes_or_nothing(facts.tokenizer_file)};
}

// Whether two files make the same tokens: CLIP's merges in either spelling, one model with and without the word about
// case.
bool are_same_tokenizer(const std::string& a, const std::string& b) {
  if (ClipBpe::is_merges(a) || ClipBpe::is_merges(b)) {
    return ClipBpe::is_merges(a) && ClipBpe::is_merges(b) && clip_merges_file(a) == clip_merges_file(b);
  }
  return without_cleaning(a) == without_cleaning(b);
}

// Captions are cleaned as the tokenizer of the data says, whatever the weights saw.
void tell_other_cleaning(const Found& found, const std::string& tokenizer, const std::string& where) {
  const bool is_stated = stated_cleaning(found.tokenizer) == Cleaning::canonical;
  if (!is_stated && !(found.config && stated_clean(*found.config) == kCanonicalise)) return;
  if (stated_cleaning(tokenizer) == Cleaning::canonical) return;
  log_info(
      "warning: {}: its captions were put into lower case and lost their punctuation, those of the data do not: pack "
      "it with --tokenizer RUN of the imported model",
      where);
}

// May be of another size: they begin anew then.
bool is_head(const std::string& name) {
  constexpr std::string_view kHeads[] = {"visual.proj",
                                         "visual.head.",
                                         "visual.trunk.head.weight",
                                         "visual.trunk.head.bias",
                                         "visual.attnpool.c_proj.",
                                         "text_projection",
                                         "text.text_projection"};
  return std::ranges::any_of(kHeads, [&](std::string_view head) { return name.starts_with(head); });
}

bool is_scale(const std::string& name) { return name == "logit_scale" || name == "logit_bias"; }

}  // namespace

StartReport take_tower(ClipModel& model, const NamedTensors& weights, bool image, const std::string& where) {
  std::map<std::string, at::Tensor> left;
  const auto is_of_tower = [image](const std::string& name) {
    return !is_scale(name) && name.starts_with("visual.") == image;
  };
  for (const auto& [name, tensor] : weights) {
    if (is_of_tower(name)) left.emplace(name, tensor);
  }
  ParameterArena& arena = model.arena();
  StartReport report;
  std::vector<std::string> missing;
  NamedTensors taken;
  for (const NamedShape& spec : arena.exported()) {
    if (!is_of_tower(spec.name)) continue;
    const auto found = left.find(spec.name);
    if (found == left.end()) {
      (is_head(spec.name) ? report.fresh : missing).push_back(spec.name);
      continue;
    }
    at::Tensor tensor = found->second;
    left.erase(found);
    if (tensor.sizes() != at::IntArrayRef(spec.shape)) {
      const at::Tensor resized = resized_positions(tensor, spec);
      if (!resized.defined() && !is_head(spec.name)) refuse_shape(where, spec, tensor.sizes());
      (resized.defined() ? report.resized : report.fresh).push_back(spec.name);
      if (!resized.defined()) continue;
      tensor = resized;
    } else {
      report.loaded.push_back(spec.name);
    }
    require_weights(spec.name, tensor, where);
    taken.emplace_back(spec.name, tensor.to(at::kFloat));
    require_numbers(spec.name, taken.back().second, where);
  }
  const char* const tower = image ? "image" : "text";
  if (!missing.empty()) {
    throw input_error(
        "{} lacks tensors of the {} tower: {}: is model.config the right one? One tower alone is taken with "
        "model.init_{}",
        where, tower, listed(missing), image ? "text" : "image");
  }
  if (!report.fresh.empty()) {
    const auto is_frozen = [&](const ParameterSpec& spec) {
      return spec.frozen && std::ranges::find(report.fresh, spec.name) != report.fresh.end();
    };
    if (const auto random = std::ranges::find_if(arena.specs(), is_frozen); random != arena.specs().end()) {
      throw input_error(
          "{} has no {} of this size, and model.freeze = {} would keep random weights: train it with "
          "model.unlocked_groups = 1",
          where, random->name, tower);
    }
  }
  for (const auto& [name, tensor] : left) {
    if (!name.ends_with(kBatchCounter)) report.ignored.push_back(name);
  }
  const std::map<std::string, at::Tensor> by_name(taken.begin(), taken.end());
  for (std::size_t i = 0; i < arena.specs().size(); ++i) {
    const auto found = by_name.find(arena.specs()[i].name);
    if (found != by_name.end()) arena.set_parameter(i, found->second);
  }
  for (std::size_t i = 0; i < arena.buffer_specs().size(); ++i) {
    const auto found = by_name.find(arena.buffer_specs()[i].name);
    if (found != by_name.end()) arena.buffer(i).copy_(found->second);
  }
  return report;
}

namespace {

void tell(const StartReport& report, bool image, const std::string& where) {
  std::string more;
  const auto add = [&](const char* what, const std::vector<std::string>& names) {
    if (!names.empty()) more += fmt::format("; {} {}: {}", names.size(), what, listed(names));
  };
  add("resized", report.resized);
  add("new", report.fresh);
  add("ignored", report.ignored);
  log_info("{} tower from {}: {} tensors loaded{}", image ? "image" : "text", where, report.loaded.size(), more);
}

void take_scales(ClipModel& model, const NamedTensors& weights, const std::string& where) {
  ParameterArena& arena = model.arena();
  for (std::size_t i = 0; i < arena.specs().size(); ++i) {
    const std::string& name = arena.specs()[i].name;
    if (!is_scale(name)) continue;
    for (const auto& [theirs, tensor] : weights) {
      if (theirs != name || tensor.numel() != 1) continue;
      require_weights(name, tensor, where);
      require_numbers(name, tensor, where);
      const ParameterSpec& spec = arena.specs()[i];
      const double value = tensor.item<double>();
      const double kept = spec.limits ? std::clamp(value, spec.limits->low, spec.limits->high) : value;
      arena.set_parameter(i, at::full({}, kept, at::kFloat));
      log_info("{} begins at {:.4f}{}", name, kept, kept == value ? "" : fmt::format(", not at {:.4f}", value));
    }
  }
}

}  // namespace

void start_from_weights(ClipModel& model, const StartWeights& from, const std::string& tokenizer) {
  std::map<fs::path, Found> read;
  for (const bool image : {true, false}) {
    const fs::path& own = image ? from.image : from.text;
    const fs::path path = without_slash(own.empty() ? from.both : own);
    if (path.empty()) continue;
    if (!fs::exists(path)) {
      throw input_error("model.init{} = {}: it is neither open_clip nor clip_hpc, and no such file or folder exists",
                        own.empty() ? ""
                        : image     ? "_image"
                                    : "_text",
                        path.native());
    }
    if (!read.contains(path)) {
      std::optional<Found> of_run = found_in_run(path);
      const bool image_alone = image && path != without_slash(from.text.empty() ? from.both : from.text);
      read.emplace(path, of_run ? std::move(*of_run) : found_in_files(path, model, image_alone));
    }
    const Found& found = read.at(path);
    if (found.config) {
      check_same_arithmetic(*found.config, model.config(), image, path.native());
    } else {
      log_info("{} does not say what model its weights are of: activation, heads and norms are taken to be those of {}",
               path.native(), model.config().name);
    }
    if (!image && found.tokenizer.empty()) {
      log_info("{} brings no tokenizer: its words are taken to be those that the data was packed with", path.native());
    }
    if (!image && !found.tokenizer.empty() && !are_same_tokenizer(found.tokenizer, tokenizer)) {
      throw input_error(
          "{}: its text tower was trained with another tokenizer than the data was packed with: pack with its {}",
          path.native(), kTokenizerFileName);
    }
    if (!image) tell_other_cleaning(found, tokenizer, path.native());
    tell(take_tower(model, found.weights, image, path.native()), image, path.native());
  }
  if (!from.both.empty() && from.image.empty() && from.text.empty()) {
    take_scales(model, read.begin()->second.weights, from.both.native());
  }
}

}  // namespace clip_hpc
