#include <array>
#include <utility>
#include <vector>

#include "clip_hpc/data/views/view.hpp"
#include "data/augment/steps/rand_bins.hpp"
#include "data/augment/steps/rand_level.hpp"
#include "data/augment/steps/simclr_steps.hpp"
#include "data/views/crop_view.hpp"
#include "data/views/drawing_view.hpp"
#include "data/views/eval_view.hpp"

namespace clip_hpc {
namespace {

constexpr double kNarrow = 3.0 / 4, kWide = 4.0 / 3;  // of torchvision's RandomResizedCrop: width / height

// A crop of 0.08 to 1 of the area, half of them flipped, and what is done with it afterwards.
ViewSpec crop_flip_and(std::vector<AugmentStep> steps, Filter filter = Filter::bicubic) {
  return {.make = make_crop_view,
          .filter = filter,
          .scale_min = 0.08,
          .aspect_min = kNarrow,
          .aspect_max = kWide,
          .flip_probability = 0.5,
          .steps = std::move(steps)};
}

constexpr AugmentStep kJitter{.draw = draw_jitter, .probability = 0.8, .jitter = 0.4, .hue = 0.1};
constexpr AugmentStep kGrey{.draw = draw_grey, .probability = 0.2};
constexpr AugmentStep kBlur{.draw = draw_blur, .probability = 0.5};
constexpr AugmentStep kRandBigVision{
    .draw = draw_rand_big_vision, .operations = 2, .magnitude = 10, .magnitude_most = 10, .can_be_mended = true};
constexpr AugmentStep kRandTorchvision{
    .draw = draw_rand_torchvision, .operations = 2, .magnitude = 9, .magnitude_most = kRandBins - 1, .in_bins = true};
constexpr AugmentStep kRandTimm{.draw = draw_rand_timm, .operations = 2, .magnitude = 9, .magnitude_most = 10};

}  // namespace

std::span<const ViewKind> view_kinds() {
  static const std::array kinds = std::to_array<ViewKind>({
      {"resize",
       "both sides squashed; the paper's in training",
       ViewUse::test,
       {.make = make_eval_view, .mode = ResizeMode::squash}},
      {"eval", "short side, centre crop", ViewUse::test, {.make = make_eval_view, .mode = ResizeMode::shortest}},
      {"eval_longest", "long side, black rims", ViewUse::test, {.make = make_eval_view, .mode = ResizeMode::longest}},
      {"eval_squash",
       "both sides squashed to 8/7 of the size, centre crop; the paper's in tests",
       ViewUse::test,
       {.make = make_eval_view, .mode = ResizeMode::squash, .kept_side = 0.875}},
      {"crop",
       "random crop of 0.9 to 1 of the area; open_clip's",
       ViewUse::training,
       {.make = make_crop_view, .scale_min = 0.9, .aspect_min = kNarrow, .aspect_max = kWide}},
      {"crop_half",
       "random crop of 0.5 to 1 of the area; SLIP's, of the view that meets the text",
       ViewUse::training,
       {.make = make_crop_view,
        .filter = Filter::bilinear,
        .scale_min = 0.5,
        .aspect_min = kNarrow,
        .aspect_max = kWide}},
      {"crop_flip", "random crop of 0.08 to 1 of the area, half of them flipped", ViewUse::training, crop_flip_and({})},
      {"simclr", "crop_flip, colour jitter, grey, blur; SimCLR's and SLIP's", ViewUse::training,
       crop_flip_and({kJitter, kGrey, kBlur}, Filter::bilinear)},
      {"rand", "crop_flip, RandAugment as big_vision has it", ViewUse::training, crop_flip_and({kRandBigVision})},
      {"rand_torchvision", "crop_flip, RandAugment as torchvision has it", ViewUse::training,
       crop_flip_and({kRandTorchvision})},
      {"rand_timm", "crop_flip, RandAugment as timm has it", ViewUse::training, crop_flip_and({kRandTimm})},
      {"trivial", "crop_flip, TrivialAugment (wide)", ViewUse::training, crop_flip_and({{.draw = draw_trivial}})},
      {"auto", "crop_flip, AutoAugment with the policy of ImageNet", ViewUse::training,
       crop_flip_and({{.draw = draw_auto_imagenet}})},
      {"stacked_rand", "crop_flip, colour jitter, rand, grey, blur: SupCon's code", ViewUse::training,
       crop_flip_and({kJitter, kRandBigVision, kGrey, kBlur})},
      {"stacked_rand_paper", "the same with rand before the colour jitter: SupCon's paper", ViewUse::training,
       crop_flip_and({kRandBigVision, kJitter, kGrey, kBlur})},
      // Black ink becomes grey of 0 to 0.4.
      {"drawing",
       "a drawing turned, moved, scaled and made paler",
       ViewUse::training,
       {.make = make_drawing_view,
        .scale_min = 0.85,
        .scale_max = 1.15,
        .rotation_deg = 8,
        .shift = 0.08,
        .gain_min = 0.6,
        .gain_max = 1.0}},
      {"drawing_strong",
       "the same, more of it, stretched, some of them grey",
       ViewUse::training,
       {.make = make_drawing_view,
        .scale_min = 0.75,
        .scale_max = 1.1,
        .aspect_min = 0.9,
        .aspect_max = 1.1,
        .rotation_deg = 20,
        .shift = 0.08,
        .gain_min = 0.8,
        .gain_max = 1.1,
        .grey_probability = 0.2}},
  });
  return kinds;
}

}  // namespace clip_hpc
