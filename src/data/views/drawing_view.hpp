// Drawings on paper: turned, moved, scaled and made paler, on a white background.
#pragma once

#include "clip_hpc/data/views/view.hpp"

namespace clip_hpc {

void make_drawing_view(const ImageView& image, const ViewSpec& spec, RandomStream& random, std::span<std::uint8_t> out);

}  // namespace clip_hpc
