// From an image to one view of the model's input size, on the CPU, in bytes. Random views draw from a RandomStream that
// the caller addresses by (seed, row of the global batch, view): the result does not depend on threads or ranks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/base/random.hpp"
#include "clip_hpc/data/image/image.hpp"
#include "clip_hpc/data/image/resize.hpp"

namespace clip_hpc {

struct ViewSpec {
  enum class Kind { eval, crop, affine };
  std::string name = "resize";
  Kind kind = Kind::eval;
  int size = 224;
  int channels = 3;  // of the output: 3, or 1 (RGB becomes luma)
  ResizeMode mode = ResizeMode::squash;
  Filter filter = Filter::bicubic;
  double kept_side = 1;  // eval: share of the resized side that the centre crop keeps
  // crop: share of the area, width / height, horizontal flip. affine: scale of the drawing, its width / height.
  double scale_min = 1, scale_max = 1, aspect_min = 1, aspect_max = 1, flip_probability = 0;
  // affine, on a white background
  double rotation_deg = 0, shift = 0;  // at most; shift as a share of the side
  double gain_min = 1, gain_max = 1;   // multiplies the distance from white
  double grey_probability = 0;

  std::size_t bytes() const {
    return static_cast<std::size_t>(channels) * static_cast<std::size_t>(size) * static_cast<std::size_t>(size);
  }
};

// "eval" (short side, centre crop), "eval_longest", "resize" (both sides squashed; the paper's in training),
// "eval_squash" (both sides squashed to 8/7 of the size, centre crop; the paper's in tests), "crop" (area .9-1),
// "crop_half" (.5-1, SLIP's), "crop_flip" (.08-1), "drawing", "drawing_strong". Throws input for another name.
ViewSpec parse_view(const std::string& name, int size);
std::vector<std::string> view_names();

// out: [channels, size, size], exactly spec.bytes() long.
void apply_view(const ImageView& image, const ViewSpec& spec, RandomStream& random, std::span<std::uint8_t> out);

}  // namespace clip_hpc
