#include "clip_hpc/strategy/strategy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/random.hpp"
#include "clip_hpc/config/rows.hpp"
#include "clip_hpc/data/views/view.hpp"
#include "clip_hpc/strategy/text_mask.hpp"

namespace clip_hpc {
namespace {

void apply_clip(const StrategyOptions&, Strategy&) {}

void apply_flip(const StrategyOptions& options, Strategy& strategy) {
  strategy.phases.front().keep_fraction = 1.0 - options.mask_ratio;
}

// A run that leaves something out, and its end, in which it does not.
void add_phases(const StrategyOptions& options, Strategy& strategy) {
  Phase& first = strategy.phases.front();
  first.image_size = options.image_size;
  first.text_tokens = options.text_tokens;
  if (options.unmasked == 0) return;
  if (first.keep_fraction == 1 && first.image_size == 0 && first.text_tokens == 0) {
    throw input_error(
        "strategy.unmasked = {} is the end of a run that leaves something out, and this one leaves out nothing: use "
        "strategy.name = flip, strategy.image_size or strategy.text_tokens",
        options.unmasked);
  }
  first.fraction_of_run = 1.0 - options.unmasked;
  Phase whole{.fraction_of_run = options.unmasked};
  if (options.unmasked_lr > 0) whole.lr = options.unmasked_lr;
  strategy.phases.push_back(whole);
}

void apply_clip_aug(const StrategyOptions& options, Strategy&) {
  if (options.augmentation == "none") {
    throw input_error("strategy.name = clip_aug needs strategy.augmentation, for example crop_flip");
  }
}

std::string augmentations_help() {
  std::string text = "`none` (plain resize)";
  for (const ViewKind& kind : view_kinds()) {
    if (kind.use == ViewUse::training) text += fmt::format(", `{}` ({})", kind.name, kind.help);
  }
  return text;
}

void apply_slip(const StrategyOptions& options, Strategy& strategy) {
  strategy.views.insert(strategy.views.end(), 2, options.ssl_view);
  strategy.terms.push_back({&loss_term("ntxent"), options.ssl_weight});
  strategy.head = HeadSize{options.ssl_hidden, options.ssl_width};
  strategy.temperature = options.ssl_temperature;
}

constexpr StrategyKind kStrategies[] = {
    {"clip", "", apply_clip},
    {"flip", "a share of the patches is dropped in training", apply_flip},
    {"clip_aug", "CLIP on augmented views", apply_clip_aug},
    {"slip", "CLIP, and two further views of each image that find each other", apply_slip},
};

}  // namespace

std::span<const StrategyKind> strategies() { return kStrategies; }

void describe(OptionTable& table, StrategyOptions& options) {
  std::vector<std::string> augmentations = view_names(ViewUse::training);
  augmentations.insert(augmentations.begin(), "none");
  table.add("strategy.name", options.name, help_of(strategies()), one_of(names_of(strategies())));
  table.add("strategy.mask_ratio", options.mask_ratio, "flip: share of the patches that is dropped",
            in_range(0.0, 0.95));
  table.add("strategy.unmasked", options.unmasked,
            "share of the run, at its end, in which images and captions are whole again (unmasked tuning); needs flip, "
            "image_size or text_tokens",
            in_range(0.0, 0.99));
  table.add("strategy.unmasked_lr", options.unmasked_lr,
            "highest learning rate of that share, which then has a warm-up and a schedule of its own; 0: the "
            "run's schedule goes on",
            in_range(0.0, 10.0));
  table.add("strategy.image_size", options.image_size,
            "side of the images in training, a multiple of the patches' side; learned positions are interpolated and "
            "keep their number; 0: the model's",
            in_range(std::int64_t{0}, std::int64_t{8192}));
  table.add("strategy.text_tokens", options.text_tokens,
            "tokens of a caption in training, at most, its end among them; 0: all that the model reads",
            [](const std::string& key, std::int64_t value) {
              if (value != 0) at_least(std::int64_t{4})(key, value);
            });
  table.add("strategy.text_mask", options.text_mask, "which tokens of a longer caption stay: " + help_of(text_masks()),
            one_of(names_of(text_masks())));
  table.add("strategy.augmentation", options.augmentation, "view of a training image: " + augmentations_help(),
            one_of(std::move(augmentations)));
  table.add("strategy.augment_ops", options.augment_ops,
            "operations that a RandAugment draws for an image; 0: as many as its authors, 2",
            in_range(std::int64_t{0}, std::int64_t{16}));
  table.add("strategy.augment_magnitude", options.augment_magnitude,
            "how strong they are, on the scale of the view: 0 to 10 for `rand` and `rand_timm`, 0 to 30 for "
            "`rand_torchvision`; -1: as its authors (10, 9, 9)",
            in_range(-1.0, 30.0));
  table.add(
      "strategy.augment_mended", options.augment_mended,
      "`rand` without the two defects of big_vision's code (contrast about the number of pixels in place of their "
      "mean, solarize that inverts all pixels at magnitude 10)");
  std::vector<LossTerm> main_terms;
  std::ranges::copy_if(loss_terms(), std::back_inserter(main_terms), [](const LossTerm& one) { return !one.is_extra; });
  table.add("strategy.loss", options.loss, help_of(main_terms), one_of(names_of(main_terms)));
  table.add(
      "strategy.partial_gradient", options.partial_gradient,
      "softmax, on several ranks: the features that a row is compared with are constants, as in the code of SLIP; on "
      "one rank nothing changes");
  table.add("strategy.distill", options.distill,
            "weight of a second term of the loss, distill: learn a teacher's similarities, whose features data.teacher "
            "names; 0: no teacher",
            in_range(0.0, 1e6));
  table.add("strategy.ssl_view", options.ssl_view, "slip: the view that an image's two further ones are",
            one_of(view_names(ViewUse::training)));
  table.add("strategy.ssl_weight", options.ssl_weight, "slip: weight of its second term, ntxent", in_range(0.0, 1e6));
  table.add("strategy.ssl_temperature", options.ssl_temperature, "slip: divides the cosine similarities of the views",
            in_range(0.001, 100.0));
  table.add("strategy.ssl_hidden", options.ssl_hidden, "slip: width of the two hidden layers of its head",
            in_range(std::int64_t{1}, std::int64_t{1} << 20));
  table.add("strategy.ssl_width", options.ssl_width, "slip: width of what its head gives",
            in_range(std::int64_t{1}, std::int64_t{1} << 20));
}

Strategy make_strategy(const StrategyOptions& options) {
  Strategy strategy;
  if (options.augmentation != "none") strategy.views = {options.augmentation};
  strategy.augment = {static_cast<int>(options.augment_ops), options.augment_magnitude, options.augment_mended};
  strategy.terms = {{&loss_term(options.loss), 1.0}};
  strategy.partial_gradient = options.partial_gradient;
  if (options.partial_gradient && options.loss != "softmax") {
    throw input_error("strategy.partial_gradient is of strategy.loss = softmax, not of {}: leave it out", options.loss);
  }
  if (options.distill > 0) strategy.terms.push_back({&loss_term("distill"), options.distill});
  row_named(strategies(), options.name, "strategy").apply(options, strategy);
  parse_views(strategy.views, 224, strategy.augment);  // what cannot be chosen is told before data is read
  add_phases(options, strategy);
  return strategy;
}

ModelConfig as_trained_by(const Strategy& strategy, ModelConfig model) {
  model.head = strategy.head;
  const bool uses_bias =
      std::ranges::any_of(strategy.terms, [](const auto& one) { return one.term->initial.has_value(); });
  if (model.init_logit_bias && !uses_bias) {
    throw input_error("model {} has a logit bias (init_logit_bias), which strategy.loss = {} does not train: use {}",
                      model.name, strategy.terms.front().term->name, "strategy.loss = sigmoid, or take the key out");
  }
  if (model.init_logit_bias) return model;
  for (const WeightedTerm& one : strategy.terms) {
    if (!one.term->initial) continue;
    model.init_logit_scale = one.term->initial->logit_scale;
    model.init_logit_bias = one.term->initial->logit_bias;
  }
  return model;
}

at::Tensor draw_kept_patches(std::uint64_t seed, std::span<const std::uint64_t> rows, std::int64_t patches,
                             std::int64_t kept) {
  at::Tensor out = at::empty({static_cast<std::int64_t>(rows.size()), kept}, at::kLong);
  std::int64_t* next = out.data_ptr<std::int64_t>();
  std::vector<std::int64_t> order(static_cast<std::size_t>(patches));
  for (const std::uint64_t row : rows) {
    RandomStream stream(seed, Purpose::token_keep, row);
    std::iota(order.begin(), order.end(), std::int64_t{0});
    for (std::int64_t i = 0; i < kept; ++i) {  // the first `kept` places of a Fisher-Yates shuffle
      const auto j = i + static_cast<std::int64_t>(stream.below(static_cast<std::uint32_t>(patches - i)));
      std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(j)]);
    }
    std::sort(order.begin(), order.begin() + kept);
    next = std::copy_n(order.begin(), kept, next);
  }
  return out;
}

}  // namespace clip_hpc
