// A training strategy is a value: which views of an image, in which phases the run goes, which terms its loss adds up.
// CLIP, FLIP and CLIP + augmentation are rows of a table that make such values.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/config/option_table.hpp"
#include "clip_hpc/data/augment/augment_step.hpp"
#include "clip_hpc/loss/terms/term.hpp"
#include "clip_hpc/model/model_file.hpp"
#include "clip_hpc/strategy/phases.hpp"

namespace clip_hpc {

struct StrategyOptions {
  std::string name = "clip";
  double mask_ratio = 0.5;
  double unmasked = 0, unmasked_lr = 0;
  std::int64_t image_size = 0, text_tokens = 0;
  std::string text_mask = "truncate";
  std::string augmentation = "none";
  std::int64_t augment_ops = 0;
  double augment_magnitude = -1;
  bool augment_mended = false;
  std::string loss = "softmax";
  double distill = 0;
  std::string ssl_view = "simclr";
  double ssl_weight = 1, ssl_temperature = 0.1;
  bool partial_gradient = false;
  std::int64_t ssl_hidden = 4096, ssl_width = 256;
};
void describe(OptionTable& table, StrategyOptions& options);

struct Strategy {
  std::vector<std::string> views{"resize"};  // data/views: how an image becomes model input; the first meets the text
  AugmentOptions augment{};                  // of those views that have what it is about
  std::vector<Phase> phases{{}};
  std::vector<WeightedTerm> terms;
  std::optional<HeadSize> head = {};  // behind the image tower, for further views
  double temperature = 0.1;           // of a self-supervised term
  bool partial_gradient = false;      // of softmax: LossOptions has it
};

struct StrategyKind {
  const char* name;
  const char* help;                                  // empty: the name says it
  void (*apply)(const StrategyOptions&, Strategy&);  // on what all strategies share; throws input
};
std::span<const StrategyKind> strategies();

Strategy make_strategy(const StrategyOptions& options);  // throws input

// The model with the logit bias, and the initial scale and bias, that a term of the loss is trained from. A model file
// that names its own bias keeps its own of both; and the strategy's head. Throws input where it has a bias that no term
// trains.
ModelConfig as_trained_by(const Strategy& strategy, ModelConfig model);

// FLIP's draw: for each sample `kept` of `patches` indices without repetition, ascending. A pure function of (seed,
// row of the global batch), so any number of ranks drops the same patches. -> [rows, kept] int64
at::Tensor draw_kept_patches(std::uint64_t seed, std::span<const std::uint64_t> rows, std::int64_t patches,
                             std::int64_t kept);

}  // namespace clip_hpc
