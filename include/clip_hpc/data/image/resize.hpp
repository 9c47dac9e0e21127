// Resampling with the very bytes of Pillow (two passes, 22-bit fixed point, antialiased), and open_clip's evaluation
// transform on top of it.
#pragma once

#include <string>

#include "clip_hpc/data/image/image.hpp"

namespace clip_hpc {

enum class Filter { bilinear, bicubic };  // bicubic: a = -0.5

struct Box {  // in source pixels, may be fractional
  double left = 0, top = 0, right = 0, bottom = 0;
};

// Like PIL.Image.resize((width, height), filter, box): pixels outside the box, but inside the image, may contribute.
Image resize(const ImageView& image, int width, int height, Filter filter, const Box& box);
Image resize(const ImageView& image, int width, int height, Filter filter);

enum class ResizeMode { shortest, longest, squash };
ResizeMode parse_resize_mode(const std::string& name);  // throws input
Filter parse_filter(const std::string& name);           // throws input
const char* name_of(ResizeMode mode);
const char* name_of(Filter filter);

// open_clip's validation transform to size x size: shortest: short side to size, centre crop; squash: both sides to
// size; longest: long side to size, then padded with `fill`.
Image eval_transform(const ImageView& image, int size, ResizeMode mode, Filter filter = Filter::bicubic,
                     std::uint8_t fill = 0);

}  // namespace clip_hpc
