#include "clip_hpc/train/run_checks.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {

void check_teacher(const RunConfig& config, const Strategy& strategy) {
  const bool learns = std::ranges::any_of(
      strategy.terms, [](const WeightedTerm& one) { return one.term->name == std::string_view("distill"); });
  if (learns && config.data.teacher.empty()) {
    throw input_error(
        "strategy.distill needs data.teacher: a file of clip_hpc embed --data SET --write image,text for each training "
        "set");
  }
  if (!learns && !config.data.teacher.empty()) {
    throw input_error(
        "data.teacher is given and strategy.distill = 0 learns nothing from it: set strategy.distill = 1");
  }
}

void check_freezing(const RunConfig& config, const ClipModel& model) {
  const ModelOptions& options = config.model;
  if (options.freeze == "none") {
    if (options.unlocked_groups == 0) return;
    throw input_error("model.unlocked_groups = {} needs model.freeze = image or text", options.unlocked_groups);
  }
  const ParameterArena& arena = model.arena();
  const int groups = arena.last_group(options.freeze == "text" ? 0 : 1) + 1;
  if (options.unlocked_groups >= groups) {
    throw input_error(
        "model.unlocked_groups = {} leaves nothing of the {} tower frozen, which has {} groups: say fewer",
        options.unlocked_groups, options.freeze, groups);
  }
  const bool is_scheme = options.init == "open_clip" || options.init == "clip_hpc";
  const std::string& own = options.freeze == "text" ? options.init_text : options.init_image;
  if (is_scheme && own.empty()) {
    throw input_error(
        "model.freeze = {} would keep random weights: say where they are with model.init or model.init_{}",
        options.freeze, options.freeze);
  }
}

void check_phases(const ClipModel& model, const Strategy& strategy) {
  const ImageTower& image = model.image();
  for (const Phase& one : strategy.phases) {
    const std::int64_t own = image.image_size(), size = one.image_size > 0 ? one.image_size : own;
    if (size != own && image.size_step() == 0) {
      throw input_error("strategy.image_size = {}: a {} reads images of {} alone: leave it at 0", size,
                        model.image_kind(), own);
    }
    if (size > own) {
      throw input_error("strategy.image_size = {} is more than the {} that the model is made for: use less, or 0", size,
                        own);
    }
    if (size != own && size % image.size_step() != 0) {
      throw input_error("strategy.image_size = {} must be a multiple of {}, as this image tower divides it", size,
                        image.size_step());
    }
    one.kept_patches(image.patches_at(size));  // throws where none can be left out
  }
}

void check_text_tokens(const RunConfig& config, const ClipModel& model) {
  const std::int64_t tokens = config.strategy.text_tokens, context = model.text().context();
  if (tokens == 0) return;
  if (!model.can_pack()) {
    throw input_error("strategy.text_tokens = {}: this text tower reads all of its {} positions: leave it at 0", tokens,
                      context);
  }
  if (tokens > context) {
    throw input_error("strategy.text_tokens = {} is more than the {} that the model reads: use fewer, or 0", tokens,
                      context);
  }
}

void check_head(const RunConfig& config, const Strategy& strategy) {
  if (!strategy.head) return;
  if (config.train.global_batch < 2) {
    throw input_error("strategy.name = {} compares the images of a batch, and train.global_batch is {}: use 2 or more",
                      config.strategy.name, config.train.global_batch);
  }
  if (config.model.freeze == "image" && config.model.unlocked_groups == 0) {
    throw input_error("strategy.name = {} teaches the image tower, which model.freeze = image keeps as it is",
                      config.strategy.name);
  }
}

}  // namespace clip_hpc
