// A random rectangle of the image, resized; perhaps flipped.
#pragma once

#include "clip_hpc/data/views/view.hpp"

namespace clip_hpc {

void make_crop_view(const ImageView& image, const ViewSpec& spec, RandomStream& random, std::span<std::uint8_t> out);

}  // namespace clip_hpc
