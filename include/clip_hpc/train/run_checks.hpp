// What a configuration, its strategy and its model may have wrong together. Each throws input.
#pragma once

#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/strategy/strategy.hpp"
#include "clip_hpc/train/run_config.hpp"

namespace clip_hpc {

// A teacher that nobody learns from, or a term without one.
void check_teacher(const RunConfig& config, const Strategy& strategy);
// Frozen weights that would be random, or nothing that is frozen.
void check_freezing(const RunConfig& config, const ClipModel& model);
// More tokens of a caption than the model reads.
void check_phases(const ClipModel& model, const Strategy& strategy);  // patches and sizes of the images
void check_text_tokens(const RunConfig& config, const ClipModel& model);
// A self-supervised term without other images, or without a tower that learns.
void check_head(const RunConfig& config, const Strategy& strategy);

}  // namespace clip_hpc
