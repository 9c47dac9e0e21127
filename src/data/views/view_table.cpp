#include <array>

#include "clip_hpc/data/views/view.hpp"
#include "data/views/crop_view.hpp"
#include "data/views/drawing_view.hpp"
#include "data/views/eval_view.hpp"

namespace clip_hpc {
namespace {

constexpr double kNarrow = 3.0 / 4, kWide = 4.0 / 3;  // of torchvision's RandomResizedCrop: width / height

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
       "random crop of 0.5 to 1 of the area; SLIP's",
       ViewUse::inside,
       {.make = make_crop_view, .scale_min = 0.5, .aspect_min = kNarrow, .aspect_max = kWide}},
      {"crop_flip",
       "random crop of 0.08 to 1 of the area, half of them flipped",
       ViewUse::training,
       {.make = make_crop_view,
        .scale_min = 0.08,
        .aspect_min = kNarrow,
        .aspect_max = kWide,
        .flip_probability = 0.5}},
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
